"""Rows encoded again: features that are stored wrong are noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cache.keys import sha256_of
from cache.writing.sink import ShardSink
from cache.writing.writer import StoreWriter
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.errors import MismatchError
from pipeline.extraction import outputs_of
from pipeline.images.alignment import Alignment
from pipeline.progress import silent
from pipeline.tables.samples import SampleTable
from stages.params import ExtractParams
from stages.workflows.parity import measure_parity, sample_images
from stages.workflows.shard_encoder import ShardEncoder
from stages.workflows.shards import EncodingSpec, ShardTask
from stages.workflows.store_identity import image_rows_of, schema_of, store_key

N = 12


@pytest.fixture
def work(project: Path) -> tuple[ShardEncoder, StoreWriter, SampleTable]:
    """Everything to encode twelve images, and a store that was begun for them."""
    table, params = SampleTable.read(Path("tables/sample-e.parquet")).head(N), ExtractParams(dtype="float32")
    spec = EncoderSpec.parse("untrained")
    encoder = load_encoder(spec, "cpu", "eager")
    outputs = outputs_of(encoder, params.outputs, params.dtype, params.pixel_size)
    schema = schema_of(table, 1, outputs)
    target = project / "again.zarr"
    writer = StoreWriter(target, store_key(table, encoder, outputs, params), schema)
    images, sink = Path("data/sample-e"), ShardSink(target, schema)
    digest = sha256_of(dict(encoder.identity))
    encoding = EncodingSpec(
        spec, digest, "cpu", "eager", encoder.preprocess, images, outputs, 1, 0, Alignment(), 16, 1, sink
    )
    return ShardEncoder(encoding, encoder), writer, table


def test_a_worker_with_other_weights_under_the_same_name_is_refused(
    work: tuple[ShardEncoder, StoreWriter, SampleTable],
) -> None:
    encoding = work[0].encoding
    ShardEncoder.load(encoding)
    with pytest.raises(MismatchError, match=r"untrained is another encoder on .*Give all workers the same weights"):
        ShardEncoder.load(replace(encoding, encoder_sha256="0" * 64))


@pytest.mark.parametrize("spoiled", [False, True])
def test_parity_tells_right_features_from_wrong_ones(
    work: tuple[ShardEncoder, StoreWriter, SampleTable], capsys: pytest.CaptureFixture[str], spoiled: bool
) -> None:
    shard_encoder, writer, table = work
    images = image_rows_of(table, 1)
    with shard_encoder:
        task = ShardTask(0, range(N), tuple(images), (), {})
        writer.add_record(next(shard_encoder.encode([task], N, silent)))
        if spoiled:
            block = writer.read_shard(0)
            writer.put(0, {"pooled": block[:, ::-1].copy()}, {})  # every row is another image's
        parity = measure_parity(images[:4], writer, shard_encoder)["pooled"]
    assert parity["rows"] == 4
    assert (parity["cosine"] < 0.999) == spoiled
    assert (parity["difference"] > 1e-3) == spoiled
    assert ("warning: pooled: rows encoded again" in capsys.readouterr().err) == spoiled


def test_nothing_to_compare_is_no_parity(work: tuple[ShardEncoder, StoreWriter, SampleTable]) -> None:
    shard_encoder, writer, _ = work
    assert measure_parity([], writer, shard_encoder) == {}


def test_a_sample_follows_from_its_seed(project: Path) -> None:
    images = image_rows_of(SampleTable.read(Path("tables/sample-e.parquet")), 1)
    one, again, other = sample_images(images, "a"), sample_images(images, "a"), sample_images(images, "b")
    assert [image.row for image in one] == [image.row for image in again] == sorted({image.row for image in one})
    assert len(one) == 8
    assert one != other
    assert len(sample_images(images[:3], "a")) == 3
    assert np.all([image in images for image in one])
