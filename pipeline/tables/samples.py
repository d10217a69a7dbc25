"""The sample table: one row per image of a dataset, in an order that never changes (columns: `schema`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import TableError
from pipeline.tables.number_rows import NumberRows, TupleRows
from pipeline.tables.parquet import TableKind
from pipeline.tables.schema import (
    ARROW_TYPES,
    DTYPES,
    NUMBERS_A_ROW,
    OK,
    OPTIONAL_COLUMNS,
    REJECTED,
    REQUIRED_COLUMNS,
    SPLITS,
    Sample,
    TableInfo,
    Unit,
    check_table,
)

__all__ = ["OK", "OPTIONAL_COLUMNS", "REJECTED", "SPLITS", "Sample", "SampleTable", "TableInfo"]


@dataclass(frozen=True)
class SampleTable:
    """A checked sample table. Build one with `from_samples` or `read`; `frame` must not be changed."""

    frame: pd.DataFrame
    info: TableInfo

    def __post_init__(self) -> None:
        check_table(self.frame, self.info)

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def from_samples(cls, samples: Sequence[Sample], info: TableInfo) -> SampleTable:
        """A table in the order of `samples`.

        Raises
        ------
        TableError
            If it is empty, an id repeats, or a label, split, path, digest, box or number is malformed.
        """
        columns: dict[str, list[Any]] = {name: [getattr(s, name) for s in samples] for name in _FIELDS}
        columns["status"] = [REJECTED if s.reason else OK for s in samples]
        unused = [name for name in OPTIONAL_COLUMNS if all(value is None for value in columns[name])]
        names = [*REQUIRED_COLUMNS, *(name for name in OPTIONAL_COLUMNS if name not in unused)]
        return cls(pd.DataFrame({name: _series_of(columns[name], name) for name in names}), info)

    @classmethod
    def read(cls, path: Path) -> SampleTable:
        """The table written at `path`.

        Raises
        ------
        TableError
            If the file is missing, is no sample table, has a newer schema than this program reads, or breaks a rule of
            sample tables: the column or the entry of its metadata is named.
        """
        arrow, info = _KIND.read(path)
        ids = arrow["id"]
        columns: dict[str, pd.Series[Any]] = {}
        for name in arrow.column_names:
            is_id = name == "path" and arrow[name].equals(ids)  # so it is in many layouts: one copy is enough
            columns[name] = columns["id"] if is_id else _series(arrow[name], name)
            arrow = arrow.drop_columns(name)  # pandas has its own copy, and a table may have a million rows
        del ids
        frame = pd.DataFrame(columns)
        pa.default_memory_pool().release_unused()
        try:
            return cls(frame, info)
        except TableError as error:
            raise _KIND.error(path, str(error)) from error

    @staticmethod
    def read_info(path: Path) -> tuple[TableInfo, int]:
        """Where the table at `path` comes from, and its number of rows, which are not read.

        Raises
        ------
        TableError
            As `read`.
        """
        return _KIND.read_info(path)

    def head(self, n: int) -> SampleTable:
        """The first `n` rows, as a table of their own."""
        return SampleTable(self.frame.head(n).reset_index(drop=True), self.info)

    def to_arrow(self) -> pa.Table:
        """The same rows for Parquet, with `info` in the schema's metadata."""
        columns = {name: _arrow(self.frame[name], ARROW_TYPES[name]) for name in self.frame.columns}
        described = vars(self.info) | {"classes": list(self.info.classes)}
        for name in ("layout_sha256", "repeated", "video_decoder"):
            if not described[name]:
                del described[name]
        if self.info.carved is None:
            del described["carved"]
        if self.info.unit == "image":
            del described["unit"]
        return _KIND.described(pa.table(columns), described)

    @property
    def usable(self) -> pd.DataFrame:
        """The rows that are not rejected."""
        return self.frame[self.frame["status"] == OK]

    @cached_property
    def units(self) -> pd.DataFrame:
        """What is counted, predicted and scored: the rows, or one row of each clip, a usable one if it has any."""
        if self.info.unit == "image":
            return self.frame
        clips, is_rejected = pd.factorize(self.frame["clip"])[0], (self.frame["status"] != OK).to_numpy()
        order = np.lexsort((is_rejected, clips))
        return self.frame.iloc[np.sort(order[np.unique(clips[order], return_index=True)[1]])]

    def summary(self) -> dict[str, Any]:
        """Counts for people and machines: usable units per split and label, rejected and excluded per reason, units
        that cross the splits, and content of the source that was not read; of clips also those of each fold, and counts
        of their frames."""
        usable, rejected = (self.units[self.units["status"] == status] for status in (OK, REJECTED))
        is_clip = self.info.unit == "clip"
        return {
            "dataset": self.info.dataset,
            "layout": self.info.layout,
            "release": self.info.release,
            **({"unit": "clip", "clips": len(self.units)} if is_clip else {}),
            "rows": len(self),
            "splits": {split: int((usable["split"] == split).sum()) for split in SPLITS},
            **(_fold_counts(usable) if is_clip else {}),
            "labels": {label: int((usable["label"] == label).sum()) for label in self.info.classes},
            "rejected": dict(Counter(rejected["reason"])),
            **(self._frame_counts(set(rejected["clip"])) if is_clip else {}),
            "excluded": dict(self.info.excluded),
            "crossing": self.crossing(),
            "unread_columns": list(self.info.unread_columns),
            "unread_images": dict(self.info.unread_images),
            "unread_files": dict(self.info.unread_files),
        }

    def _frame_counts(self, rejected_clips: Collection[str]) -> dict[str, dict[str, int]]:
        """Usable frames per split, and per reason the rejected ones of clips that are not rejected."""
        usable, rejected = (self.frame[self.frame["status"] == status] for status in (OK, REJECTED))
        reasons = Counter(rejected["reason"][~rejected["clip"].isin(rejected_clips)])
        frames = {split: int((usable["split"] == split).sum()) for split in SPLITS}
        return {"frames": frames, "rejected_frames": dict(reasons)}

    def crossing(self) -> dict[str, dict[str, int]]:
        """Usable units of a split whose equal belongs to another split too; what does not occur is left out. A clip
        belongs to another split by its bytes if one of its frames does.

        Returns
        -------
        kind (bytes, subject, clip) -> `test in train`, `val in train`, `test in val` -> units of the first-named split;
        `across folds` counts units of a fold whose equal belongs to another fold too
        """
        usable, unit = self.usable, self.info.unit
        kinds = {"bytes": "sha256", "subject": "subject", "clip": "clip"}
        counts = {kind: _crossing(usable, column, unit) for kind, column in kinds.items() if column in usable.columns}
        return {kind: count for kind, count in counts.items() if count}


_FIELDS = ("id", "path", "label", "split", "sha256", "reason", *OPTIONAL_COLUMNS)
_KIND = TableKind(
    "sample table",
    b"fer-stage",
    schema=1,
    info=TableInfo,
    columns=ARROW_TYPES,
    optional=frozenset(OPTIONAL_COLUMNS),
    command="index",
    folder="tables",
    by_hand="",
    purpose="to index the dataset again",
)


def _arrow(column: pd.Series[Any], arrow_type: pa.DataType) -> pa.Array:
    if isinstance(column.array, NumberRows):
        return pa.array(column.array, type=arrow_type)
    values = column.tolist()
    plain = [None if value is pd.NA or (isinstance(value, float) and value != value) else value for value in values]
    return pa.array(plain, type=arrow_type)


def _series_of(values: Sequence[Any], name: str) -> pd.Series[Any]:
    if pa.types.is_list(ARROW_TYPES[name]):
        with suppress(pa.ArrowException, OverflowError):  # no such numbers: the check of the table names the row
            return _series(pa.chunked_array([pa.array(values, type=ARROW_TYPES[name])]), name)
    return cast("pd.Series[Any]", pd.Series(values, dtype=DTYPES[name]))


def _series(column: pa.ChunkedArray, name: str) -> pd.Series[Any]:
    if pa.types.is_string(column.type):
        return cast("pd.Series[Any]", column.to_pandas())
    if pa.types.is_list(column.type) and (rows := TupleRows.of_arrow(column, NUMBERS_A_ROW.get(name))) is not None:
        return pd.Series(rows)
    values = [tuple(value) if isinstance(value, list) else value for value in column.to_pylist()]
    return pd.Series(values, dtype=DTYPES[name])


def _fold_counts(units: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Units of each fold of the table, if it has any."""
    if "fold" not in units.columns:
        return {}
    return {"folds": {str(number): int(n) for number, n in units["fold"].value_counts().sort_index().items()}}


def _crossing(usable: pd.DataFrame, column: str, unit: Unit) -> dict[str, int]:
    known = usable[usable[column].notna() & (usable[column] != "")]
    codes, _ = pd.factorize(known[column])
    in_split = {split: (known["split"] == split).to_numpy() for split in SPLITS}
    rows = {split: np.bincount(codes[in_split[split]], minlength=len(known)) for split in SPLITS}
    pairs = (("val", "train"), ("test", "train"), ("test", "val"))
    crossing = {f"{split} in {other}": in_split[split] & (rows[other][codes] > 0) for split, other in pairs}
    if "fold" in known.columns:
        folds = known["fold"].groupby(codes).transform("nunique")
        crossing["across folds"] = (known["fold"].notna() & (folds > 1)).to_numpy()
    counts = {name: known["clip"][rows].nunique() if unit == "clip" else rows.sum() for name, rows in crossing.items()}
    return {name: int(n) for name, n in counts.items() if n}
