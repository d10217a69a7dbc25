"""`extract` and `status` of a store that is up to date, as whole commands; whoever opened an image would fail.

The first command records what the encoder is; those that are measured find the record, and import no torch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from builds import TREE, Build, Usage
from machine import show
from random_store import random_columns

from cache.features_root import store_path
from cache.writing.writer import StoreWriter
from pipeline.datasets.layouts import LAYOUTS
from pipeline.encoders import EncoderSpec, load_image_encoder
from pipeline.extraction import outputs_of
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import Sample, SampleTable, TableInfo
from pipeline.versions import stage_version
from stages.params import ExtractParams
from stages.workflows.store_identity import columns_of, dataset_info, prepared_as, schema_of, store_key
from stages.workflows.tables import write_table

DATASET, ENCODER = "faces", "mini"
# The named peer: the key holds the encoder's identity, which took loading it to know.
LOAD = f"from pipeline.encoders import EncoderSpec, load_encoder; load_encoder(EncoderSpec.parse({ENCODER!r}))"
RUN = "import sys; from stages.cli import run; run(sys.argv[1:]); print('torch' in sys.modules, file=sys.stderr)"
TURNS = 3
# Of two methods that were not trained: exit code 3.
PARAMS = f"""
classes: 8
datasets: {{{DATASET}: {{layout: folder, root: gone}}}}
run: {{datasets: [{DATASET}], methods: [linear-probe, feature-mask]}}
"""
STATUS = "from stages.cli import run; assert run(['status', '--params', 'status.yaml']) == 3"


def random_table(n: int) -> SampleTable:
    """A table of images that nobody has."""
    columns = random_columns(n, np.random.default_rng(0))
    names = ("id", "path", "label", "split", "sha256", "reason", "subject")
    rows = zip(*(columns[name] for name in names), strict=True)
    samples = [Sample(**dict(zip(names, row, strict=True))) for row in rows]
    options = {**LAYOUTS["folder"].Options().model_dump(mode="json"), "classes": 8}
    info = TableInfo(DATASET, "folder", "gone", EXPRESSIONS, options=options, reader=stage_version("index"))
    return SampleTable.from_samples(samples, info)


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
    extract = ["extract", "--dataset", DATASET, "--encoder", ENCODER]
    with tempfile.TemporaryDirectory() as folder:
        table = random_table(options.rows)
        Path(folder, "tables").mkdir()
        Path(folder, "status.yaml").write_text(PARAMS)
        write_table(table, Path(folder, "tables", f"{DATASET}.parquet"))
        write_store(Path(folder, "features"), table)
        build = Build(TREE, Path(folder))
        unchanged, status, load = [], [], []
        for turn in range(TURNS + 1):
            usages = (
                build.run(extract),
                build.process([sys.executable, "-c", STATUS]),
                build.process([sys.executable, "-c", LOAD]),
            )
            if turn:
                for times, usage in zip((unchanged, status, load), usages, strict=True):
                    times.append(usage)
        imports_torch = stderr_of(folder, [sys.executable, "-c", RUN, *extract]).split()[-1] == "True"
    found = {
        "unchanged": seconds(unchanged),
        "status": seconds(status),
        "imports torch": imports_torch,
        "load_encoder": seconds(load),
    }
    show({"what": f"extract of an unchanged dataset, {options.rows} rows"} | found | {"targets": {"unchanged_s": 1.5}})


def seconds(usages: list[Usage]) -> dict[str, float]:
    median = Usage.median(usages)
    return {"wall_s": round(median.wall_s, 2), "cpu_s": round(median.cpu_s, 2)}


def stderr_of(folder: str, command: list[str]) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stderr


if __name__ == "__main__":
    main()
