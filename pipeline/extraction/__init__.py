"""Images -> features, shard by shard: reading, decoding, encoding and the caller's writing go on at the same time.

caller <- one shard ahead <- encoder thread <- one batch ahead <- loader thread <- some images ahead <- decode threads
"""

from pipeline.extraction.outputs import Output, empty_blocks, outputs_of
from pipeline.extraction.run import Extraction
from pipeline.extraction.shards import Shard

__all__ = ["Extraction", "Output", "Shard", "empty_blocks", "outputs_of"]
