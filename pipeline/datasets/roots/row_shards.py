"""Shards of rows: what parquet and Arrow files share. A member is a row, `0000017`, or `column/0000017`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from pipeline.datasets.roots.archives import MAX_MEMBERS, check_size
from pipeline.datasets.roots.columns import Column, Features, image_columns
from pipeline.datasets.roots.containers import Container, row_number, row_text
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import MISSING
from pipeline.errors import DatasetError, ImageError

__all__ = ["DAMAGED_ROW", "NO_IMAGE", "RowShard", "damaged_shard"]

# Reasons of a rejected row: stable words, counted in summaries.
NO_IMAGE = "row has no image"
DAMAGED_ROW = "row cannot be read"


class RowShard(Container):
    """A table whose rows hold pictures, in a column of structs of `bytes` and `path`, or of bytes.

    A row is read from the only column that holds pictures (`image_columns`); where there are several, or it is another
    one, the column is part of the member's name.

    Parameters
    ----------
    extent : the file

    Attributes
    ----------
    columns : all columns, in the order of the file; a kind of shard sets them when it opens the file
    features : column -> its feature, as the file itself describes it; empty if it does not; set beside `columns`
    """

    columns: Sequence[Column]
    features: Features

    def __init__(self, extent: Extent) -> None:
        self.extent = extent

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Rows of the file."""

    @abstractmethod
    def values(self, column: str, field: str = "") -> list[Any]:
        """A whole column, or a field of a column of structs; not for the bytes of pictures.

        Raises
        ------
        DatasetError
            If it is damaged.
        """

    @abstractmethod
    def without_bytes(self, column: str) -> set[int]:
        """Rows that hold no bytes in a column of pictures; a row that cannot be read is none of them."""

    @property
    @abstractmethod
    def is_quickly_searched(self) -> bool:
        """Whether `without_bytes` is quick; else it decodes all pictures of a large file."""

    @abstractmethod
    def _cell(self, row: int, column: str) -> bytes | None:
        """The bytes of one picture; ImageError if they cannot be read."""

    @cached_property
    def default_column(self) -> str:
        """The column whose pictures a bare row number means; empty if there is none, or more than one."""
        columns = image_columns(self.columns, self.features)
        return columns[0] if len(columns) == 1 else ""

    def find(self, name: str) -> Column | None:
        """The column of a name; None if there is none, or more than one."""
        named = [column for column in self.columns if column.name == name]
        return named[0] if len(named) == 1 else None

    def member(self, row: int, column: str) -> str:
        """The name of the picture of a row in a column."""
        return row_text(row) if column == self.default_column else f"{column}/{row_text(row)}"

    def members(self) -> Sequence[str]:
        column = self.default_column
        return [self.member(row, column) for row in range(self.n_rows)] if column else []

    def read(self, member: str, limit: int) -> bytes:
        prefix, _, number = member.rpartition("/")
        row, column = row_number(number), self.find(prefix or self.default_column)
        if row is None or row >= self.n_rows or column is None:
            raise ImageError(MISSING)
        if not column.holds_bytes:
            raise ImageError(NO_IMAGE)
        data = self._cell(row, column.name)
        if data is None:
            raise ImageError(NO_IMAGE)
        check_size(len(data), limit)
        return data

    def _check_rows(self) -> None:
        if self.n_rows > MAX_MEMBERS:
            raise DatasetError(
                f"{self.extent.where}: expected at most {MAX_MEMBERS:,} rows in a file, found {self.n_rows:,}. "
                "Divide it into shards"
            )


def damaged_shard(extent: Extent, kind: str, detail: object) -> DatasetError:
    """The error for a shard whose rows cannot be listed."""
    return DatasetError(
        f"{extent.where}: expected a whole {kind} file, found a damaged or cut off one, or one of another kind "
        f"({str(detail)[:200]}). Download it again; none of the rows of the other shards is at fault"
    )
