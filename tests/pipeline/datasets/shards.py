"""Shards as the `datasets` package and WebDataset write them, made here with pyarrow and tarfile alone."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CSV_ORDER = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
IMAGE = {"_type": "Image"}


def class_label(names: Sequence[str]) -> dict[str, Any]:
    """The feature of integer labels with names."""
    return {"names": list(names), "_type": "ClassLabel"}


def image_column(data: Sequence[bytes | None], paths: Sequence[str | None] | None = None) -> pa.StructArray:
    """A column of pictures; rows with neither bytes nor path are null."""
    paths = paths or [None] * len(data)
    rows = [None if b is None and p is None else {"bytes": b, "path": p} for b, p in zip(data, paths, strict=True)]
    return pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def rows_table(columns: Mapping[str, Any], features: Mapping[str, Any] | None = None) -> pa.Table:
    """A table with the metadata that `datasets` writes: its features, as JSON under the key `huggingface`."""
    table = pa.table(dict(columns))
    if features is None:
        return table
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": dict(features)}})})


def parquet(table: pa.Table, row_group_size: int = 100, **options: Any) -> bytes:
    """A parquet file of a table."""
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=row_group_size, **options)
    return out.getvalue()


def arrow(table: pa.Table, batch_size: int = 1000, codec: str | None = None) -> bytes:
    """A saved dataset's file: a stream of record batches."""
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, batch_size)
    return out.getvalue()


def tar(members: Mapping[str, bytes]) -> bytes:
    """A tar of files in their order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()
