"""What an extract has in memory for every row of its table: numbers, and no Python objects."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cache.columns import column_digests
from cache.keys import StoreKey
from cache.reuse import find_rows, image_digests
from cache.schema import ArraySpec, Schema
from cache.writing.writer import StoreWriter
from pipeline.tables.samples import Sample, SampleTable, TableInfo
from stages.workflows.row_sources import RowSources
from stages.workflows.store_identity import box_texts, columns_of, face_texts, image_rows_of
from stages.workflows.tables import write_table

N, N_IMAGES = 50_000, 40_000
KEY = StoreKey("these", {"family": "a"}, {"size": 4}, ("pooled",), {"count": 1}, "float32", "float16")
SCHEMA = Schema(N, 1, (ArraySpec("pooled", (1,), "float16"),), 512)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SampleTable:
    """The last rows repeat images of the first ones; row 7 is rejected. As it is read from its file."""
    samples = [
        Sample(
            id=f"faces/{i:06d}.png",
            path=f"faces/{i:06d}.png",
            label=("fear", "anger")[i % 2],
            split=("train", "test")[i % 2],
            sha256=f"{i % N_IMAGES:064x}",
            reason="unreadable" if i == 7 else "",
        )
        for i in range(N)
    ]
    path = tmp_path_factory.mktemp("tables") / "faces.parquet"
    write_table(SampleTable.from_samples(samples, TableInfo("faces", "folder", "gone", ("fear", "anger"))), path)
    return SampleTable.read(path)


@contextmanager
def bytes_a_row(kept: float, peak: float) -> Iterator[None]:
    """At most so many bytes a row more than before are in use after the block, and within it."""
    tracemalloc.start()
    try:
        yield
        after, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after <= kept * N
    assert most <= peak * N


def row_sources(table: SampleTable) -> RowSources:
    images = image_rows_of(table, 1)
    digests = image_digests(N, [table.frame["sha256"].array, box_texts(table), face_texts(table)])
    return RowSources.of(images, find_rows([], KEY, SCHEMA, digests, images.n_views_of_rows()), digests)


def test_images_are_created_shard_by_shard(table: SampleTable) -> None:
    with bytes_a_row(kept=20, peak=200):
        sources = row_sources(table)
        tasks = sources.shard_tasks(range(SCHEMA.n_shards), SCHEMA)
        n_images = sum(len(task.images) for task in tasks)
    assert n_images == tasks.n_images == N_IMAGES - 1 + 1  # row 40,007 is the first usable one of image 7
    assert (tasks[0].images[7].row, tasks[0].images[7].path) == (8, "faces/000008.png")
    repeated = np.concatenate([copy.rows for task in tasks for copy in task.copies])
    assert len(repeated) == N - N_IMAGES - 1


def test_columns_are_read_block_by_block(table: SampleTable) -> None:
    with bytes_a_row(kept=20, peak=150):
        columns = columns_of(table, {8: "not an image"})
        digests = column_digests(columns)
    assert digests == column_digests({name: column[:] for name, column in columns.items()})
    assert columns["reason"][7:9].tolist() == ["unreadable", "not an image"]
    assert columns["status"][6:10].tolist() == ["ok", "rejected", "rejected", "ok"]


@pytest.mark.parametrize("name", ["faces.zarr", "faces.h5"])
def test_a_store_is_finished_column_by_column(tmp_path: Path, table: SampleTable, name: str) -> None:
    """Zarr encodes a chunk of a column at once, which here is the whole of it."""
    writer = StoreWriter(tmp_path / name, KEY, SCHEMA)
    for shard in writer.pending:
        writer.put(shard, {"pooled": np.zeros((1, len(SCHEMA.rows(shard)), 1), np.float16)}, {})
    columns = columns_of(table, {})
    with bytes_a_row(kept=50, peak=600):
        writer.finish(columns, {"name": "faces", "classes": ["fear", "anger"]}, {})
