"""What an audit found, on disk: which images show the same or nearly the same picture, and of which tables that holds.

`evaluate` and `report` ask it which scored rows have an equal among the rows that a head was trained on. Equality of
pixels is transitive, nearness is not: so the record has pictures, each with the image files that show it, and pairs of
pictures that are near each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.footnotes import FLAGGED, MISREAD, DatasetFinding
from pipeline.tables.parquet import TableKind
from pipeline.tables.samples import SampleTable

__all__ = ["BYTES", "FEATURES", "KINDS", "PHASH", "PIXELS", "AuditInfo", "AuditRecord", "record_name", "table_digest"]

BYTES, PIXELS, PHASH, FEATURES = "bytes", "pixels", "phash", "features"
KINDS = (BYTES, PIXELS, PHASH, FEATURES)
"""How two pictures can be equal, the strictest first: files, decoded pixels, perceptual hashes, features."""

_PICTURE_COLUMNS = {"sha256": "str", "picture": "int64"}
_PAIR_COLUMNS = {"picture": "int64", "other": "int64", "kind": "str", "distance": "float64"}
_ARROW = {
    "kind": pa.string(),
    "picture": pa.int64(),
    "sha256": pa.string(),
    "other": pa.int64(),
    "distance": pa.float64(),
}
# What an audit reads of a table: a change of anything else does not outdate it.
_AUDITED_COLUMNS = ("id", "label", "split", "sha256", "status", "box", "subject", "clip")
_BLOCK_ROWS = 2**14
_LONGEST_NAME = 120


@dataclass(frozen=True)
class AuditInfo:
    """What was audited.

    Parameters
    ----------
    tables : dataset -> `table_digest` of its table as it was
    kinds : kind that was searched for -> its settings: decoder, threshold, encoder
    notes : dataset -> what else an audit found in it, a sentence each
    label_order : dataset -> the one of these sentences that names another order, which its labels fit
    flags : dataset -> those on labels that contradict each other, and on people and clips in two splits
    """

    tables: Mapping[str, str]
    kinds: Mapping[str, Mapping[str, Any]]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label_order: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def findings(self, dataset: str) -> Iterator[DatasetFinding]:
        """What was found in a dataset, with the symbols of its scores."""
        symbols = dict.fromkeys(self.flags.get(dataset, ()), FLAGGED)
        if dataset in self.label_order:
            symbols[self.label_order[dataset]] = MISREAD
        for text in self.notes.get(dataset, ()):
            yield DatasetFinding(dataset, text, symbols.get(text, ""))


@dataclass(frozen=True)
class AuditRecord:
    """Pictures that several images show or nearly show, within and across the audited tables.

    Parameters
    ----------
    pictures : `sha256` of an image file, and the `picture` that it, or a box of it, shows; only of pictures that are in
        several files or in a pair. A file with several boxes has several
    pairs : `picture`, `other`, `kind` (phash or features) and `distance`: bits, or 1 - cosine
    info : what was audited
    """

    pictures: pd.DataFrame
    pairs: pd.DataFrame
    info: AuditInfo

    @classmethod
    def of(
        cls,
        pictures: Iterable[tuple[str, int]],
        pairs: Iterable[tuple[int, int, str, float]],
        info: AuditInfo,
    ) -> AuditRecord:
        """A record of rows of its two frames."""
        return cls(_frame(pictures, _PICTURE_COLUMNS), _frame(pairs, _PAIR_COLUMNS), info)

    @property
    def tables(self) -> Mapping[str, str]:
        """Dataset -> `table_digest` of its table as it was audited."""
        return self.info.tables

    def outdated(self, digests: Mapping[str, str]) -> tuple[str, ...]:
        """The datasets whose tables are not those that were audited.

        Parameters
        ----------
        digests : dataset -> `table_digest` of its table now; a dataset that is not in it is not compared
        """
        return tuple(name for name, digest in self.tables.items() if digests.get(name, digest) != digest)

    def equal_rows(self, images: Sequence[str], among: Sequence[str]) -> dict[str, npt.NDArray[np.bool_]]:
        """Which images have an equal among some others, each under the strictest kind only.

        Parameters
        ----------
        images, among : sha256 of image files

        Returns
        -------
        kind -> bool, shape (len(images),): for `bytes` and for every other kind that the audit searched for
        """
        rows, others = pd.Series(images, dtype="str"), pd.Series(among, dtype="str")
        masks = {BYTES: rows.isin(others).to_numpy(dtype=bool)}
        counted = masks[BYTES].copy()
        known = self._pictures_of(others)
        for kind in KINDS[1:]:
            if kind in self.info.kinds:
                equal = known if kind == PIXELS else self._near(kind, known)
                files = self.pictures["sha256"][self.pictures["picture"].isin(equal)]
                masks[kind] = rows.isin(files).to_numpy(dtype=bool) & ~counted
                counted |= masks[kind]
        return masks

    def _pictures_of(self, files: pd.Series[str]) -> pd.Series[int]:
        return self.pictures["picture"][self.pictures["sha256"].isin(files)]

    def _near(self, kind: str, pictures: pd.Series[int]) -> pd.Series[int]:
        """The pictures near some others by one kind."""
        pairs = self.pairs[self.pairs["kind"] == kind]
        others = [pairs["other"][pairs["picture"].isin(pictures)], pairs["picture"][pairs["other"].isin(pictures)]]
        near: pd.Series[int] = pd.concat(others)
        return near

    @classmethod
    def read(cls, path: Path) -> AuditRecord:
        """The record written at `path`.

        Raises
        ------
        TableError
            If the file is missing, is no record of an audit, or is damaged.
        """
        table, info = _KIND.read(path)
        frame = table.to_pandas().reindex(columns=list(_ARROW))
        is_picture = frame["sha256"].notna()
        pictures, pairs = frame[is_picture], frame[~is_picture]
        if pairs[["other", "distance"]].isna().any(axis=None):
            raise _KIND.error(path, "column other: expected a number in every row without a sha256, found none")
        try:
            return cls.of(
                pictures[list(_PICTURE_COLUMNS)].itertuples(index=False),
                pairs[list(_PAIR_COLUMNS)].itertuples(index=False),
                info,
            )
        except ValueError as error:
            raise _KIND.error(path, str(error)) from error

    @staticmethod
    def read_info(path: Path) -> AuditInfo:
        """What was audited, without the pictures; raises as `read`."""
        return _KIND.read_info(path)[0]

    def to_arrow(self) -> pa.Table:
        """The record for Parquet: a row per image file of a picture, then a row per pair."""
        frame = pd.concat([self.pictures.assign(kind=PIXELS), self.pairs], ignore_index=True)
        table = pa.Table.from_pandas(
            frame.reindex(columns=list(_ARROW)).astype({"other": "Int64"}), pa.schema(_ARROW), preserve_index=False
        )
        return _KIND.described(table, asdict(self.info))


class _AuditKind(TableKind[AuditInfo]):
    """The command that makes a record takes several datasets."""

    def _remedy(self, path: Path) -> list[tuple[str, dict[str, Any]]]:
        return [(self.command, {"datasets": tuple(path.stem.split("+")), self.folder: str(path.parent)})]


_KIND = _AuditKind(
    "record of an audit",
    b"fer-stage-audit",
    schema=1,
    info=AuditInfo,
    columns=_ARROW,
    optional=frozenset({"sha256", "other", "distance"}),
    command="audit",
    folder="audits",
    by_hand="",
    purpose="to audit the datasets again",
)


def record_name(datasets: Sequence[str]) -> str:
    """The name of the file of these datasets' record, without suffix: `ferplus+muxspace`, shortened if it is long."""
    name = "+".join(datasets)
    return (
        name
        if len(name) <= _LONGEST_NAME
        else f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    )


def table_digest(table: SampleTable) -> str:
    """sha256 over what an audit reads of a table: ids, labels, splits, digests, boxes, people and clips, in order."""
    digest = hashlib.sha256()
    for name in _AUDITED_COLUMNS:
        if name in table.frame.columns:
            digest.update(f"\0\0{name}\0{len(table)}\0".encode())
            column = table.frame[name]
            for start in range(0, len(column), _BLOCK_ROWS):
                digest.update(
                    "".join(f"{_text(value)}\0" for value in column.iloc[start : start + _BLOCK_ROWS]).encode()
                )
    return digest.hexdigest()


def _text(value: Any) -> str:
    """A cell as text; texts of a sample table have no zero byte."""
    return value if isinstance(value, str) else "" if value is None or value != value else str(value)


def _frame(rows: Iterable[Sequence[Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict(columns))
