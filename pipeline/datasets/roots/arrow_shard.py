"""An Arrow file as a container, memory-mapped: a saved dataset (a stream of batches), or the IPC file format."""

from __future__ import annotations

import mmap
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.roots.arrow_columns import columns_of, features_of, image_bytes
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.refusals import refused_by_system, whole_file_errors
from pipeline.datasets.roots.row_shards import RowShard, damaged_shard
from pipeline.errors import DatasetError

__all__ = ["ArrowShard"]

_FILE_MAGIC = b"ARROW1"
_CONTINUATION = b"\xff\xff\xff\xff"
_END = _CONTINUATION + bytes(4)
_BROKEN = (pa.ArrowException, OSError, ValueError)


class ArrowShard(RowShard):
    """Any row is read at once: the batches are views of the file, and only pages of it that are used are in memory.

    Raises
    ------
    DatasetError
        If the file is no Arrow file, is damaged or cut off, or its batches are compressed.
    """

    def __init__(self, extent: Extent) -> None:
        super().__init__(extent)
        try:
            with whole_file_errors(extent.where):
                self._buffer = _mapped(extent)
            self._schema, self._batches = self._open()
        except _BROKEN as error:
            raise refused_by_system(error, extent.where) or damaged_shard(extent, "Arrow", error) from error
        self.columns, self.features = columns_of(self._schema), features_of(self._schema)
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)])
        self._check_rows()

    def _open(self) -> tuple[pa.Schema, list[pa.RecordBatch]]:
        data = self._buffer
        if data[: len(_FILE_MAGIC)].to_pybytes() == _FILE_MAGIC:
            file = pa.ipc.open_file(data)
            return file.schema, [self._checked(file.get_batch(i)) for i in range(file.num_record_batches)]
        if data[:4].to_pybytes() != _CONTINUATION:
            raise ValueError("it does not begin as one")
        reader = pa.ipc.open_stream(data)
        batches = [self._checked(batch) for batch in reader]
        # A reader takes the end of the file for the end of the batches. A whole stream ends in a mark.
        if data[max(0, data.size - len(_END)) :].to_pybytes() != _END:
            raise ValueError("no end mark")
        return reader.schema, batches

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        begin, end = self._buffer.address, self._buffer.address + self._buffer.size
        for column in batch.columns:
            if any(buffer and buffer.size and not begin <= buffer.address < end for buffer in column.buffers()):
                raise DatasetError(
                    f"{self.extent.where}: expected batches that are not compressed, found compressed ones, which "
                    "cannot be read in place. Save it again without compression, or as parquet"
                )
        batch.validate(full=True)
        return batch

    @property
    def n_rows(self) -> int:
        return int(self._starts[-1])

    def values(self, column: str, field: str = "") -> list[Any]:
        values = self._whole(column)
        listed: list[Any] = (pc.struct_field(values, field) if field else values).to_pylist()
        return listed

    def _whole(self, column: str) -> pa.ChunkedArray:
        columns = [batch.column(column) for batch in self._batches]
        return pa.chunked_array(columns, self._schema.field(column).type)

    def without_bytes(self, column: str) -> set[int]:
        values = image_bytes(self._whole(column))
        return set(np.flatnonzero(values.is_null().to_numpy()).tolist())

    @property
    def is_quickly_searched(self) -> bool:
        return True  # a bit for each row says it

    def _cell(self, row: int, column: str) -> bytes | None:
        at = int(np.searchsorted(self._starts, row, side="right")) - 1
        cell = self._batches[at].column(column).slice(row - int(self._starts[at]), 1)
        return cast("bytes | None", image_bytes(cell)[0].as_py())


def _mapped(extent: Extent) -> Any:
    if not extent.size:
        raise ValueError("it is empty")
    start = extent.offset - extent.offset % mmap.ALLOCATIONGRANULARITY
    with extent.open() as file:
        mapped = mmap.mmap(file.fileno(), extent.offset - start + extent.size, access=mmap.ACCESS_READ, offset=start)
    return pa.py_buffer(memoryview(mapped)[extent.offset - start :])
