"""Parquet files that describe themselves: tables with a schema version and an `info` in their metadata.

A table may come from elsewhere: file, metadata and columns are checked here, before anything else looks at them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import TableError

__all__ = ["TableKind"]

InfoT = TypeVar("InfoT")

# Ids and digests are different in every row and do not compress further: a file that states more was not written so.
_ROWS_PER_BYTE, _BYTES_PER_BYTE = 10, 100
_SMALL = 2**26  # bytes that any file may unpack to


@dataclass(frozen=True)
class TableKind(Generic[InfoT]):
    """One kind of table on disk.

    Parameters
    ----------
    name : for people, e.g. `sample table`
    key : under which it is described in the schema's metadata
    schema : version that this program writes and reads
    info : dataclass of its `info`; entries that it does not name are of a later version, and are ignored
    columns : name -> type of all that is read; other columns are not
    optional : columns that a table need not have, and those that may be null
    command, folder : the command that makes it, and which of its arguments is the folder of the tables
    by_hand : what must be done before the command where the file is damaged or of another version; may be empty
    purpose : what the command does then
    """

    name: str
    key: bytes
    schema: int
    info: type[InfoT]
    columns: Mapping[str, pa.DataType]
    optional: Set[str]
    command: str
    folder: str
    by_hand: str
    purpose: str

    @cached_property
    def _reader(self) -> TypeAdapter[InfoT]:
        return TypeAdapter(self.info)

    def read(self, path: Path) -> tuple[pa.Table, InfoT]:
        """The known columns of the table at `path`, of their types, and its `info`.

        Raises
        ------
        TableError
            If the file is missing, is no table of this kind, has a newer schema than this program reads, states more
            than it can hold, or has a column or an entry of `info` that is missing or of another type; it is named.
        """
        with self._opened(path) as file:
            info = self._info(path, file.metadata.metadata)
            self._require_columns(path, file.schema_arrow.names)
            table = file.read([name for name in file.schema_arrow.names if name in self.columns])
        known = [name for name in self.columns if name in table.column_names]
        return pa.table({name: self._typed(path, name, table[name]) for name in known}), info

    def read_info(self, path: Path) -> tuple[InfoT, int]:
        """The `info` of the table at `path` and its number of rows, without reading any; raises as `read` does."""
        with self._opened(path) as file:
            return self._info(path, file.metadata.metadata), file.metadata.num_rows

    def described(self, table: pa.Table, info: Mapping[str, Any]) -> pa.Table:
        """`table` with `info` in its metadata, from which `read` restores it."""
        metadata = json.dumps({"schema": self.schema, "info": dict(info)}, sort_keys=True)
        return table.replace_schema_metadata({self.key: metadata})

    def error(self, path: Path, problem: str) -> TableError:
        """The error for a table that cannot be used: where, what is wrong, and the command that makes it again."""
        by_hand = f". {self.by_hand}" if self.by_hand else ""
        return TableError(f"{path}: {problem}{by_hand}", remedy=self._remedy(path), purpose=self.purpose)

    def _remedy(self, path: Path) -> list[tuple[str, dict[str, Any]]]:
        return [(self.command, {"dataset": path.stem, self.folder: str(path.parent)})]

    @contextmanager
    def _opened(self, path: Path) -> Iterator[pq.ParquetFile]:
        if not path.exists():
            raise TableError(f"no {self.name} at {path}", remedy=self._remedy(path))
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            message = f"{path}: expected a {self.name}, found {what}. Move it away"
            raise TableError(message, remedy=self._remedy(path), purpose="after that")
        try:
            with pq.ParquetFile(path) as file:
                self._require_possible(path, file.metadata)
                yield file
        except (pa.ArrowException, OSError) as error:
            # Without a number it comes from Arrow: data that cannot be decompressed.
            if isinstance(error, OSError) and error.errno is not None:
                raise TableError(f"{path} cannot be read: {error.strerror}. Repair that, then try again") from error
            raise self.error(path, f"it is not a Parquet file that can be read ({error})") from error

    def _require_possible(self, path: Path, footer: pq.FileMetaData) -> None:
        """Refuse a file that states more than a file of its size can hold, before memory is allocated."""
        size = path.stat().st_size
        unpacked = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
        for stated, most, what in (
            (footer.num_rows, _ROWS_PER_BYTE * size, "rows"),
            (unpacked, _SMALL + _BYTES_PER_BYTE * size, "bytes"),
        ):
            if not 0 <= stated <= most:
                raise self.error(path, f"a {self.name} of {size:,} bytes cannot hold {stated:,} {what}, as it states")

    def _info(self, path: Path, described: Mapping[bytes, bytes] | None) -> InfoT:
        try:
            metadata = json.loads((described or {}).get(self.key, b"{}"))
        except (ValueError, RecursionError) as error:
            raise self.error(path, f"its metadata is not JSON ({error})") from error
        schema = metadata.get("schema") if isinstance(metadata, dict) else None
        if schema != self.schema or isinstance(schema, bool):
            version = "none" if schema is None else f"{schema!r:.80}"
            raise self.error(
                path,
                f"expected a {self.name} of schema {self.schema}, found {version}. Update fer-stage if it is newer",
            )
        try:
            return self._reader.validate_json(json.dumps(metadata.get("info")), strict=True)
        except ValidationError as error:
            raise self.error(path, "; ".join(_problem(dict(item)) for item in error.errors())) from error

    def _require_columns(self, path: Path, names: list[str]) -> None:
        for name in self.columns:
            if (count := names.count(name)) > 1:
                raise self.error(path, f"column {name}: expected one, found {count}")
            if not count and name not in self.optional:
                raise self.error(path, f"column {name} is missing")

    def _typed(self, path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        expected = self.columns[name]
        try:
            typed = column.cast(expected)
        except (pa.ArrowException, ValueError) as error:
            raise self.error(path, f"column {name}: expected {expected}, found {column.type} ({error})") from error
        if typed.null_count and name not in self.optional:
            row = pc.index(pc.is_null(typed), pa.scalar(True)).as_py()
            raise self.error(path, f"column {name}: expected a value in every row, found none in row {row}")
        return typed


def _problem(item: Mapping[str, Any]) -> str:
    field = ".".join(map(str, ("info", *item["loc"])))
    return f"{field}: {item['msg'].removeprefix('Value error, ')}, found {item['input']!r:.80}"
