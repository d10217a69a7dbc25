"""`extract` of a store that is up to date, as a whole command. There is no image: whoever opened one would fail."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from machine import show
from random_store import random_columns
from timing import FER_STAGE, commands_in_turns

from cache.features_root import store_path
from cache.writing.writer import StoreWriter
from pipeline.encoders import EncoderSpec, load_image_encoder
from pipeline.extraction import outputs_of
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import Sample, SampleTable, TableInfo
from stages.params import ExtractParams
from stages.workflows.store_identity import columns_of, dataset_info, prepared_as, schema_of, store_key
from stages.workflows.tables import write_table

DATASET, ENCODER = "faces", "mini"
# The named peer: the key holds the encoder's identity, so whatever asks whether a store is up to date loads it first.
LOAD = f"from pipeline.encoders import EncoderSpec, load_encoder; load_encoder(EncoderSpec.parse({ENCODER!r}))"


def random_table(n: int) -> SampleTable:
    """A table of images that nobody has."""
    columns = random_columns(n, np.random.default_rng(0))
    names = ("id", "path", "label", "split", "sha256", "reason", "subject")
    rows = zip(*(columns[name] for name in names), strict=True)
    samples = [Sample(**dict(zip(names, row, strict=True))) for row in rows]
    return SampleTable.from_samples(samples, TableInfo(DATASET, "folder", "gone", EXPRESSIONS))


def write_store(folder: Path, table: SampleTable) -> None:
    """The store that `extract` would make of the table, but for its features: they are random."""
    params = ExtractParams()
    encoder = prepared_as(load_image_encoder(EncoderSpec.parse(ENCODER), "cpu", "eager"), params)
    outputs = outputs_of(encoder, params.outputs, params.dtype, params.pixel_size)
    schema = schema_of(table, params.views, outputs)
    key = store_key(table, encoder, outputs, params)
    writer, rng = StoreWriter(store_path(folder, ENCODER, DATASET, "zarr"), key, schema), np.random.default_rng(1)
    for shard in writer.pending:
        shape = (1, len(schema.rows(shard)), *outputs[0].row_shape)
        writer.put(shard, {"pooled": rng.standard_normal(shape, np.float32).astype(np.float16)}, {})
    writer.finish(columns_of(table, {}), dataset_info(table), {"encoder": ENCODER, "encoder_note": ""})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args()
    extract = [FER_STAGE, "extract", "--dataset", DATASET, "--encoder", ENCODER]
    with tempfile.TemporaryDirectory() as folder:
        table = random_table(options.rows)
        Path(folder, "tables").mkdir()
        write_table(table, Path(folder, "tables", f"{DATASET}.parquet"))
        write_store(Path(folder, "features"), table)
        programs = {"load_encoder_s": [LOAD], "unchanged_s": extract}
        found = {name: round(value, 2) for name, value in commands_in_turns(folder, programs).items()}
    show({"what": f"extract of an unchanged dataset, {options.rows} rows"} | found | {"targets": {"unchanged_s": 3.0}})


if __name__ == "__main__":
    main()
