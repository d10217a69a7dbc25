"""The images of a sample table, created when they are read: a million of them as objects take 0.3 GB."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.images.reading import ImageRow
from pipeline.tables.samples import OK, SampleTable

__all__ = ["BLOCK_ROWS", "ImageRows"]

Mask: TypeAlias = npt.NDArray[np.bool_]

BLOCK_ROWS = 2**14


@dataclass(frozen=True, eq=False)
class ImageRows(Sequence[ImageRow]):
    """Which images of a table are to be encoded, in the order of their rows.

    Parameters
    ----------
    frame : of the sample table, N rows
    n_views : V
    plain, augmented : bool, shape (N,): rows whose view 0, and whose views 1..V-1, are among them
    """

    frame: pd.DataFrame
    n_views: int
    plain: Mask
    augmented: Mask

    @classmethod
    def of_table(cls, table: SampleTable, n_views: int) -> ImageRows:
        """Every usable row; those of the train split with all views, the others with the plain one."""
        usable = (table.frame["status"] == OK).to_numpy(dtype=bool)
        if n_views == 1:
            return cls(table.frame, 1, usable, np.broadcast_to(np.False_, usable.shape))
        return cls(table.frame, n_views, usable, usable & (table.frame["split"] == "train").to_numpy(dtype=bool))

    def with_views(self, plain: Mask, augmented: Mask) -> ImageRows:
        """Other views of the same table's images."""
        return replace(self, plain=plain, augmented=augmented)

    def plain_views(self, without: Collection[int] = ()) -> ImageRows:
        """The plain views among them, those of some rows left out."""
        plain = self.plain.copy()
        plain[list(without)] = False
        return self.with_views(plain, np.broadcast_to(np.False_, plain.shape))

    @property
    def needed(self) -> Mask:
        """The rows that have an image here, shape (N,)."""
        return self.plain | self.augmented

    def rows(self) -> npt.NDArray[np.intp]:
        """Numbers of the rows that have an image here, shape (len(self),)."""
        return np.flatnonzero(self.needed)

    def n_views_of_rows(self) -> npt.NDArray[np.int32]:
        """How many views of each row are among them, shape (N,)."""
        return self.plain.astype(np.int32) + (self.n_views - 1) * self.augmented

    def n_on_rows(self, rows: range) -> int:
        """How many images there are on a range of rows."""
        inside = slice(rows.start, rows.stop)
        return int(np.count_nonzero(self.plain[inside] | self.augmented[inside]))

    def on_rows(self, rows: range) -> tuple[ImageRow, ...]:
        """The images on a range of rows."""
        inside = slice(rows.start, rows.stop)
        return self.at_rows(rows.start + np.flatnonzero(self.plain[inside] | self.augmented[inside]))

    def at_rows(self, rows: npt.NDArray[np.integer]) -> tuple[ImageRow, ...]:
        """The images of some rows, each of which has one."""
        columns = [self._values(name, rows) for name in ("path", "sha256", "box", "face")]
        views = [
            self._views(bool(plain), bool(augmented))
            for plain, augmented in zip(self.plain[rows], self.augmented[rows], strict=True)
        ]
        return tuple(
            ImageRow(row, path, digest, box, of_row, face)
            for row, path, digest, box, face, of_row in zip(rows.tolist(), *columns, views, strict=True)
        )

    def __len__(self) -> int:
        return self.n_on_rows(range(len(self.frame)))

    def __iter__(self) -> Iterator[ImageRow]:
        for start in range(0, len(self.frame), BLOCK_ROWS):
            yield from self.on_rows(range(start, min(start + BLOCK_ROWS, len(self.frame))))

    @overload
    def __getitem__(self, at: int) -> ImageRow: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[ImageRow, ...]: ...
    def __getitem__(self, at: int | slice) -> ImageRow | tuple[ImageRow, ...]:
        chosen = self.at_rows(np.atleast_1d(self.rows()[at]))
        return chosen if isinstance(at, slice) else chosen[0]

    def _values(self, name: str, rows: npt.NDArray[np.integer]) -> list[Any]:
        """Of some rows; None of a table without the column."""
        return self.frame[name].iloc[rows].tolist() if name in self.frame else [None] * len(rows)

    def _views(self, plain: bool, augmented: bool) -> tuple[int, ...]:
        return tuple(range(0 if plain else 1, self.n_views if augmented else 1))
