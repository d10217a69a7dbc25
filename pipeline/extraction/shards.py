"""What an extraction takes and fills in: some rows of a table, stored together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import MismatchError
from pipeline.extraction.outputs import Output
from pipeline.images.reading import ImageRow

__all__ = ["Shard"]


@dataclass(frozen=True, eq=False)
class Shard:
    """Rows of a table that are stored together.

    Parameters
    ----------
    number, rows : which rows
    images : those to encode; may be none
    blocks : output name -> (V, rows, *row_shape); the extraction fills in the views of the images, and nothing else
    rejected : row of the table -> why its image cannot be used; filled in by the extraction
    """

    number: int
    rows: range
    images: tuple[ImageRow, ...]
    blocks: Mapping[str, npt.NDArray[Any]]
    rejected: dict[int, str] = field(default_factory=dict)

    def check(self, outputs: Sequence[Output], n_views: int) -> None:
        """MismatchError if the blocks are not made for the outputs: a wrong dtype would be cast silently."""
        for output in outputs:
            block = self.blocks[output.name]
            expected = (n_views, len(self.rows), *output.row_shape), np.dtype(output.dtype)
            if (block.shape, block.dtype) != expected:
                raise MismatchError(
                    f"block {output.name} of shard {self.number}: expected {expected[1]} {expected[0]}, found "
                    f"{block.dtype} {block.shape}. Make it with empty_blocks"
                )
