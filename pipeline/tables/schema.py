"""What a sample table holds: its columns, one row, where it comes from, and the rules for every table.

Columns: `id` (stable, unique), `path` (relative to the root), `label` (a canonical name), `split`
(train, val, test), `sha256` of the image's bytes, `status` (ok, rejected), `reason` (why rejected), and where
known `subject`, `clip`, `scene`, `frame` (of the clip, from 0), `fold`, `box` (x, y, width, height in pixels), `votes`,
`face` (x, y of five landmarks in pixels, which `extract` takes from a face table), `distribution` (soft label: the
share of each class of the table, which sum to 1; `label` stays the one that heads are scored by).
A rejected row keeps its place, so that row i is sample i in every store made from the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import AfterValidator, Field

from pipeline.errors import TableError
from pipeline.tables.labels import LABELS
from pipeline.tables.number_rows import NumberRows
from pipeline.tables.sample import SPLITS, Sample, Unit

__all__ = [
    "ARROW_TYPES",
    "DTYPES",
    "NUMBERS_A_ROW",
    "OK",
    "OPTIONAL_COLUMNS",
    "REJECTED",
    "REQUIRED_COLUMNS",
    "SPLITS",
    "SUM_TOLERANCE",
    "Sample",
    "TableInfo",
    "Unit",
    "check_table",
]

OK, REJECTED = "ok", "rejected"
REQUIRED_COLUMNS = ("id", "path", "label", "split", "sha256", "status", "reason")
OPTIONAL_COLUMNS = ("subject", "clip", "scene", "frame", "fold", "box", "votes", "face", "distribution")
_OPTIONAL_TEXTS = ("subject", "clip", "scene")
_OF_A_CLIP = ("label", "split", "subject", "scene", "fold", "distribution")
_SHA256 = r"[0-9a-f]{64}"
_BLOCK_ROWS = 2**14
SUM_TOLERANCE = 1e-6  # of the shares of a distribution
_LONGEST_TEXT = 4096  # characters of a path on Linux; no id or name of a person is longer
DTYPES: dict[str, Any] = dict.fromkeys((*REQUIRED_COLUMNS, *_OPTIONAL_TEXTS), "str") | {
    "frame": "Int64",
    "fold": "Int64",
    "box": object,
    "votes": object,
    "face": object,
    "distribution": object,
}
ARROW_TYPES: dict[str, pa.DataType] = {name: pa.string() for name in (*REQUIRED_COLUMNS, *_OPTIONAL_TEXTS)} | {
    "frame": pa.int64(),
    "fold": pa.int64(),
    "box": pa.list_(pa.int32()),
    "votes": pa.list_(pa.int32()),
    "face": pa.list_(pa.float64()),
    "distribution": pa.list_(pa.float64()),
}
NUMBERS_A_ROW = {"box": 4, "face": 10}


def _known_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    if not classes or not set(classes) <= set(LABELS):
        raise ValueError(f"expected names among {', '.join(LABELS)}")
    return classes


def _command_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    types = {"layout": str, "root": str, "options": dict}
    if wrong := [name for name, value in options.items() if not isinstance(value, types.get(name, object))]:
        raise ValueError(f"expected texts as layout and root, and names with values as options; wrong: {wrong[0]}")
    return options


_Text: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00]*$")]
_Counts: TypeAlias = Mapping[_Text, Annotated[int, Field(ge=0)]]
_Split: TypeAlias = Annotated[str, Field(pattern="^(train|val|test)$")]
_SourceSplit: TypeAlias = Annotated[str, Field(pattern="^(train|val|test)?$")]


@dataclass(frozen=True)
class TableInfo:
    """Where a table comes from, and how it was made.

    Parameters
    ----------
    dataset, layout, root, classes, release : what was read
    options : all of the layout's options, defaults included
    excluded : rows of the source that the label rule leaves out, per reason
    reader : version of the program's readers; 0 in tables of earlier versions, which do not state it
    given : options of the command line, which params.yaml has not: `layout`, `root`, `options`
    layout_sha256 : of the file of a layout that is no part of the package; else empty, and not in the file
    unread_columns : headers of the source's table, with what each looks like (split, subject, clip, fold, box, or
        empty)
    unread_images : images of the root that no row of the source names, per folder
    unread_files : files in class folders that are no images, per suffix
    carved : split -> the split of the source that its rows were taken from, empty where the source has none; None in
        tables of earlier versions, which do not state it
    repeated : rows of the source that repeat one of the table, per split of the source and label; among `excluded`
    unit : what is predicted and scored: `image`, each row, or `clip`, whose rows are its frames
    video_decoder : what the digests of frames of videos are of, with its version; empty, and not in the file, where no
        row is one
    """

    dataset: _Text
    layout: _Text
    root: _Text
    classes: Annotated[tuple[str, ...], AfterValidator(_known_classes)]
    release: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    excluded: _Counts = field(default_factory=dict)
    unread_columns: Mapping[str, str] = field(default_factory=dict)
    unread_images: _Counts = field(default_factory=dict)
    unread_files: _Counts = field(default_factory=dict)
    reader: Annotated[int, Field(ge=0)] = 0
    given: Annotated[Mapping[str, Any], AfterValidator(_command_options)] = field(default_factory=dict)
    layout_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    carved: Mapping[_Split, _SourceSplit] | None = None
    repeated: Mapping[_SourceSplit, _Counts] = field(default_factory=dict)
    unit: Unit = "image"
    video_decoder: _Text = ""


def check_table(frame: pd.DataFrame, info: TableInfo) -> None:
    """Refuse a table that breaks a rule.

    Raises
    ------
    TableError
        If it is empty, a column is missing, an id repeats, or a label, split, path, digest, box or number is malformed.
    """
    where = f"sample table of {info.dataset}"
    if not len(frame):
        raise TableError(
            f"{where}: no images. Expected at least one under {info.root}; is this the {info.layout} layout?"
        )
    if missing := [name for name in REQUIRED_COLUMNS if name not in frame.columns]:
        raise TableError(f"{where}: columns missing: {', '.join(missing)}")
    if _may_repeat(frame["id"]) and (repeated := frame["id"][frame["id"].duplicated()].unique().tolist()):
        raise TableError(
            f"{where}: {len(repeated)} ids repeat, first {_some(repeated)}. Every row needs an id of its own"
        )
    _check_values(frame, "label", set(info.classes), where)
    _check_values(frame, "split", set(SPLITS), where)
    _check_values(frame, "status", {OK, REJECTED}, where)
    usable = frame["status"] == OK
    digests = frame["sha256"].str.fullmatch(_SHA256)
    if bad := frame["id"][usable & ~digests].tolist():
        raise TableError(f"{where}: {len(bad)} usable rows without a sha256, first {_some(bad)}")
    if bad := frame["id"][~digests & (frame["sha256"] != "")].tolist():
        raise TableError(f"{where}: sha256 of {len(bad)} rejected rows is none, first {_some(bad)}")
    if (frame["reason"][~usable] == "").any() or (frame["reason"][usable] != "").any():
        raise TableError(f"{where}: every rejected row needs a reason, and no other row may have one")
    if bad := frame["path"][_escapes(frame["path"])].tolist():
        raise TableError(f"{where}: {len(bad)} paths leave the root, first {_some(bad)}")
    for name in ("id", "path", *_OPTIONAL_TEXTS):
        if name in frame.columns:
            _check_text(frame[name], where)
    _check_numbers(frame, where)
    if info.unit == "clip":
        _check_clips(frame, where)
    if "distribution" in frame.columns:
        _check_distributions(frame["distribution"].array, len(info.classes), where)


def _check_clips(frame: pd.DataFrame, where: str) -> None:
    """Every row is a frame of a clip, or a clip without one; what is known of a clip is the same in all its rows."""
    if missing := [name for name in ("clip", "frame") if name not in frame.columns]:
        raise TableError(f"{where}: clips need the columns clip and frame, missing: {', '.join(missing)}")
    if (unnamed := frame["clip"].isna() | (frame["clip"] == "")).any():
        raise TableError(f"{where}: every row needs the name of its clip, none in row {unnamed.idxmax()}")
    if (unnumbered := (frame["status"] == OK) & frame["frame"].isna()).any():
        raise TableError(f"{where}: every usable row needs the number of its frame, none in row {unnumbered.idxmax()}")
    if (twice := frame["frame"].notna() & frame.duplicated(["clip", "frame"])).any():
        row = frame.iloc[int(np.flatnonzero(twice)[0])]
        raise TableError(f"{where}: frame {row['frame']} of clip {row['clip']!r} is on two rows")
    codes = pd.factorize(frame["clip"])[0]
    first = np.unique(codes, return_index=True)[1][codes]  # the first row of each row's clip
    for name in (name for name in _OF_A_CLIP if name in frame.columns):
        if (other := _differs(frame[name], first)).any():
            clip = frame["clip"].iloc[int(np.flatnonzero(other)[0])]
            raise TableError(f"{where}: clip {clip!r}: expected one {name} on all its rows, found several")


def _differs(column: pd.Series[Any], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which values are others than those of `rows`, shape (N,); missing ones are equal."""
    values = column.array
    if isinstance(values, NumberRows):
        of_rows = values[rows]
        return np.asarray((values.values != of_rows.values).any(axis=1) | (values.known != of_rows.known))
    codes = pd.factorize(column)[0]
    return np.asarray(codes != codes[rows])


def _may_repeat(column: pd.Series[Any]) -> bool:
    """Whether two hashes of a column's texts are equal: to compare a million texts takes 0.1 GB, their hashes 16 MB."""
    blocks = (column.iloc[i : i + _BLOCK_ROWS].to_numpy(dtype=object) for i in range(0, len(column), _BLOCK_ROWS))
    hashes = np.concatenate([pd.util.hash_array(block, categorize=False) for block in blocks])
    hashes.sort()
    return bool((hashes[1:] == hashes[:-1]).any())


def _check_values(frame: pd.DataFrame, column: str, allowed: set[str], where: str) -> None:
    strange = sorted(set(frame[column].unique()) - allowed)
    if strange:
        known = ", ".join(name for name in (*LABELS, *SPLITS, OK, REJECTED) if name in allowed)
        raise TableError(f"{where}: {column} is {_some(strange)}; expected one of {known}")


def _check_text(column: pd.Series[Any], where: str) -> None:
    """Arrays of text take the longest one's room in every row, and end at the first zero byte."""
    known = column.dropna()
    bad = known[(known.str.len() > _LONGEST_TEXT) | known.str.contains("\x00", regex=False)]
    if len(bad):
        raise TableError(
            f"{where}: {column.name}: expected at most {_LONGEST_TEXT} characters and no zero byte, found "
            f"{bad.iloc[0]!r:.80} in row {bad.index[0]}"
        )


def _check_numbers(frame: pd.DataFrame, where: str) -> None:
    for name in ("frame", "fold"):
        if name in frame.columns and (negative := frame[name].dropna() < 0).any():
            raise TableError(f"{where}: {name}: expected 0 or more, found less in row {negative.idxmax()}")
    for name, (fault, message) in _FAULTS.items():
        if name in frame.columns and (found := fault(frame[name].array)) is not None:
            raise TableError(f"{where}: {message}, found {found!r:.80}")


def _wrong_box(boxes: Any) -> Any:
    """The first box that is none."""
    if isinstance(boxes, NumberRows):
        return _first(boxes, np.any(boxes.values[:, 2:] <= 0, axis=1))
    wrong = (box for box in boxes if box is not None and (len(box) != 4 or None in box or box[2] <= 0 or box[3] <= 0))
    return next(wrong, None)


def _wrong_votes(votes: Any) -> Any:
    """The first votes that are no counts."""
    if isinstance(votes, NumberRows):
        return _first(votes, np.any(votes.values < 0, axis=1))
    return next((row for row in votes if row is not None and (None in row or min(row, default=0) < 0)), None)


def _wrong_face(faces: Any) -> Any:
    """The first landmarks that are none."""
    if isinstance(faces, NumberRows):
        return _first(faces, np.any(~np.isfinite(faces.values), axis=1))
    wrong = (
        face
        for face in faces
        if face is not None and (len(face) != 10 or None in face or not all(map(math.isfinite, face)))
    )
    return next(wrong, None)


def _check_distributions(rows: Any, n_classes: int, where: str) -> None:
    if isinstance(rows, NumberRows):
        values = rows.values
        far = np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE
        negative_or_nan = ~(values >= 0).all(axis=1)
        found = _first(rows, far | negative_or_nan | (values.shape[1] != n_classes))
    else:  # of several lengths, or with gaps
        found = next((row for row in rows if row is not None and not _is_distribution(row, n_classes)), None)
    if found is not None:
        raise TableError(
            f"{where}: a distribution is the shares of {n_classes} classes, 0 or more, which sum to 1, "
            f"found {found!r:.80}"
        )


def _is_distribution(row: Any, n_classes: int) -> bool:
    if len(row) != n_classes or None in row:
        return False
    return all(share >= 0 for share in row) and abs(sum(row) - 1) <= SUM_TOLERANCE


def _first(rows: NumberRows, wrong: Any) -> Any:
    """The first row with numbers that is wrong; None if there is none."""
    at = np.flatnonzero(wrong & rows.known)
    return rows[at[0]] if len(at) else None


_FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "box": (_wrong_box, "a box is (x, y, width, height) with positive sizes"),
    "votes": (_wrong_votes, "votes are counts of 0 or more"),
    "face": (_wrong_face, "a face is the x and y of five landmarks"),
}


def _escapes(paths: pd.Series[Any]) -> pd.Series[Any]:
    """For each path whether it is empty, absolute or goes up; all at once, as there may be a million."""
    return (paths == "") | paths.str.startswith("/") | ("/" + paths + "/").str.contains("/../", regex=False)


def _some(values: Sequence[Any]) -> str:
    """The first few of `values`, for a message."""
    return ", ".join(repr(value) for value in values[:3]) + (", ..." if len(values) > 3 else "")
