"""A parquet file as a container: its rows are read in place, near ones from what is decoded already."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.datasets.roots.arrow_columns import columns_of, features_of, image_bytes
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.refusals import refused_by_system, whole_file_errors
from pipeline.datasets.roots.row_shards import DAMAGED_ROW, RowShard, damaged_shard
from pipeline.errors import ImageError

__all__ = ["ParquetShard"]

DECODED_BYTES = 64 * 2**20  # of pictures that are held decoded
BATCH_BYTES = 4 * 2**20  # of pictures that are decoded at once; a page of the file is the least that can be
SMALL_BYTES = 16 * 2**20  # of a file, which is decoded in a moment
BYTES_PER_PATH = 500  # of a row: one with a picture has more
MAX_RATIO, ALWAYS_ALLOWED = 200, 64 * 2**20  # of the unpacked to the packed size, and bytes whatever the ratio

_READ_AHEAD = 2**20  # bytes
_BROKEN = (pa.ArrowException, OSError, ValueError)


@dataclass
class _Cursor:
    """Where one row group is being decoded, in the order of its rows.

    `row` is the next one to come out, of the file; `batches` is empty at the end, or where it cannot be decoded.
    """

    row: int
    end: int
    batches: Iterator[Any]


@dataclass
class _Decoded:
    """Batches of pictures that were decoded last: (column, first row) -> bytes of the pictures."""

    batches: OrderedDict[tuple[str, int], pa.Array] = field(default_factory=OrderedDict)
    n_bytes: int = 0

    def find(self, column: str, row: int) -> bytes | KeyError | None:
        for (of, first), batch in reversed(self.batches.items()):
            if of == column and first <= row < first + len(batch):
                return cast("bytes | None", batch[row - first].as_py())
        return KeyError()

    def add(self, column: str, first: int, batch: pa.Array) -> None:
        self.batches[column, first] = batch
        self.n_bytes += batch.nbytes
        while self.n_bytes > DECODED_BYTES and len(self.batches) > 1:
            self.n_bytes -= self.batches.popitem(last=False)[1].nbytes


class ParquetShard(RowShard):
    """Rows near to those that were read last are held decoded; reading backwards decodes a row group from its start.

    Of a row group only a few megabytes and the pages that they are in are in memory, however large it is.

    Raises
    ------
    DatasetError
        If the file has no whole footer, or states more than a file of its size can hold.
    """

    def __init__(self, extent: Extent) -> None:
        super().__init__(extent)
        self._lock, self._decoded, self._cursors = threading.Lock(), _Decoded(), dict[str, _Cursor]()
        self._broken_from: dict[tuple[str, int], int] = {}
        with whole_file_errors(extent.where):
            self._raw = extent.open()
        try:
            self._file = pq.ParquetFile(
                self._raw, pre_buffer=False, buffer_size=_READ_AHEAD, page_checksum_verification=True
            )
            _check_columns(self._file)
            schema = self._file.schema_arrow
            self.columns, self.features = columns_of(schema), features_of(schema)
        except _BROKEN as error:
            raise refused_by_system(error, extent.where) or damaged_shard(extent, "parquet", error) from error
        self._footer = self._file.metadata
        groups = [self._footer.row_group(group) for group in range(self._footer.num_row_groups)]
        self._starts = np.cumsum([0, *(group.num_rows for group in groups)])
        self._check(sum(group.total_byte_size for group in groups))

    def _check(self, unpacked: int) -> None:
        stated, most = self._footer.num_rows, ALWAYS_ALLOWED + MAX_RATIO * self.extent.size
        if stated != self._starts[-1] or not 0 <= unpacked <= most:
            raise damaged_shard(self.extent, "parquet", f"it states {stated:,} rows and {unpacked:,} bytes")
        self._check_rows()

    @property
    def n_rows(self) -> int:
        return int(self._footer.num_rows)

    def values(self, column: str, field: str = "") -> list[Any]:
        try:
            with self._lock:
                table = self._file.read([f"{column}.{field}" if field else column], use_threads=False)
            table.validate(full=True)
            values = table.column(column)
            if len(values) != self.n_rows:
                raise ValueError(f"it has {len(values):,} values, and the file states {self.n_rows:,} rows")
            listed: list[Any] = (pc.struct_field(values, field) if field else values).to_pylist()
        except _BROKEN as error:
            raise refused_by_system(error, self.extent.where) or damaged_shard(
                self.extent, "parquet", f"column {column}: {error}"
            ) from error
        return listed

    def without_bytes(self, column: str) -> set[int]:
        rows: set[int] = set()
        for group, first in enumerate(self._starts[:-1].tolist()):
            rows |= self._null_rows(group, first, column)
        return rows

    @property
    def is_quickly_searched(self) -> bool:
        return self.extent.size <= max(SMALL_BYTES, BYTES_PER_PATH * self.n_rows)

    def _null_rows(self, group: int, first: int, column: str) -> set[int]:
        rows: set[int] = set()
        try:
            with self._lock:
                for batch in self._batches(group, column):
                    values = image_bytes(batch.column(0))
                    rows.update((first + np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))).tolist())
                    first += len(batch)
        except _BROKEN as error:
            if refused := refused_by_system(error, self.extent.where):
                raise refused from error  # else its rows are rejected one by one when they are read
        return rows

    def _cell(self, row: int, column: str) -> bytes | None:
        with self._lock:
            found = self._decoded.find(column, row)
            return self._decode(row, column) if isinstance(found, KeyError) else found

    def _decode(self, row: int, column: str) -> bytes | None:
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if row >= self._broken_from.get((column, group), self.n_rows):
            raise ImageError(DAMAGED_ROW)
        cursor = self._cursors.get(column)
        if cursor is None or not cursor.row <= row < cursor.end:
            first, end = self._starts[group : group + 2].tolist()
            cursor = self._cursors[column] = _Cursor(first, end, self._batches(group, column))
        try:
            for batch in cursor.batches:
                values, first = image_bytes(batch.column(0)), cursor.row
                self._decoded.add(column, first, values)
                cursor.row += len(values)
                if row < cursor.row:
                    return cast("bytes | None", values[row - first].as_py())
        except _BROKEN as error:
            if refused := refused_by_system(error, self.extent.where):
                raise refused from error
        self._broken_from[column, group] = cursor.row
        del self._cursors[column]
        raise ImageError(DAMAGED_ROW)

    def _batches(self, group: int, column: str) -> Iterator[Any]:
        of_group = self._footer.row_group(group)
        size = max(1, min(of_group.num_rows, BATCH_BYTES * of_group.num_rows // max(1, of_group.total_byte_size)))
        batches: Iterator[Any] = self._file.iter_batches(
            size, row_groups=[group], columns=[self._leaf(column)], use_threads=False
        )
        return batches

    def _leaf(self, name: str) -> str:
        column = self.find(name)
        return f"{name}.bytes" if column and column.kind == "picture" else name

    @property
    def decoded_bytes(self) -> int:
        """Of the pictures that are held decoded."""
        return self._decoded.n_bytes

    def trim(self) -> None:
        if self._lock.acquire(blocking=False):  # else it is in use
            self._decoded = _Decoded()
            self._lock.release()


def _check_columns(file: pq.ParquetFile) -> None:
    """ValueError if the columns of the schema have no names, or a row group has others."""
    # Not of each column of a row group: PyArrow ends the process where the description of one is damaged.
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    if any(group.num_columns != len(file.schema) for group in groups):
        raise ValueError("a row group has more or fewer columns than the schema")
    if not all(file.schema.column(i).path for i in range(len(file.schema))) or not all(file.schema_arrow.names):
        raise ValueError("a column has no name")
