"""Lists of clips without a header: lines `path num_frames label` or `path label`, spaces, tabs or commas between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.datasets.reading.ambiguous import is_number
from pipeline.datasets.reading.listfile import MAX_ROWS
from pipeline.datasets.reading.rows import CONFLICT, Row, translate
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError

__all__ = ["ListedClip", "conflict_notes", "labels_from", "read_clip_list", "refuse_two_splits"]

_NUMBER_OF_FRAMES = re.compile(r"[0-9]{1,9}")
_LINE = re.compile(r"(?P<path>[^\s,;].*?)([\s,;]+(?P<second>[^\s,;]+))?(?P<end>[\s,;]+)(?P<label>[^\s,;]+)")


@dataclass(frozen=True, slots=True)
class ListedClip:
    """One line of a list.

    Parameters
    ----------
    path : as it is written, with `/` between folders; it may have spaces in it
    label : a name, or a number as text
    n_frames : as the list states it; None if it does not
    """

    path: str
    label: str
    n_frames: int | None = None


def read_clip_list(root: Root, name: str, n_header: int = 0) -> list[ListedClip]:
    """The lines of a list. The second field is the number of frames if the last but one is a number in every line.

    Parameters
    ----------
    n_header : lines at the beginning that are left out; empty ones do not count

    Raises
    ------
    DatasetError
        If a line has fewer than two fields, there is none, or more than `MAX_ROWS`.
    """
    where = f"{root.path}: {name}"
    lines = [
        _match(text.strip(), f"{where}, line {number}")
        for number, text in islice(
            ((n, t) for n, t in enumerate(root.lines(name), 1) if t.strip()), n_header, MAX_ROWS + 1
        )
    ]
    if len(lines) > MAX_ROWS:
        raise DatasetError(f"{where}: expected at most {MAX_ROWS:,} lines, found more. Divide the dataset")
    if not lines:
        raise DatasetError(
            f"{where}: expected lines `path num_frames label` or `path label`, found none. Copy it again"
        )
    has_frames = all(_NUMBER_OF_FRAMES.fullmatch(match["second"] or "") for match in lines)
    return [_listed(match, has_frames) for match in lines]


def _match(text: str, where: str) -> re.Match[str]:
    match = _LINE.fullmatch(text)
    if match is None:
        raise DatasetError(
            f"{where}: expected `path num_frames label` or `path label`, found {text[:60]!r}. Correct or remove the "
            "line"
        )
    return match


def _listed(match: re.Match[str], has_frames: bool) -> ListedClip:
    n_frames = int(match["second"]) if has_frames else None
    path = match["path"] if has_frames else match.string[: match.start("end")]
    return ListedClip(path.strip("\"'").replace("\\", "/").rstrip("/"), match["label"], n_frames)


def labels_from(labels: Sequence[str], names: Sequence[str], first: int, where: str) -> list[str]:
    """Expressions of labels that are names, or numbers which count from `first`.

    Parameters
    ----------
    names : in the order of the numbers
    first : 0 or 1; the layout has the option `first_label` for it
    where : the list, for the message

    Raises
    ------
    DatasetError
        If the numbers do not fit, and do if they are counted from the other first number.
    LabelError
        As `translate`, for all other labels that are unknown.
    """
    numbers = {int(float(label)) for label in labels if is_number(label)}
    other = 1 - first
    if not numbers <= _range(first, names) and numbers <= _range(other, names):
        raise DatasetError(
            f"{where}: expected labels that count from {first} ({_text(first, names)}), found {min(numbers)} to "
            f"{max(numbers)}: they look as if they counted from {other}. If {other} is {names[0]}, set the option "
            f"first_label={other}"
        )
    codes: Mapping[int, str] = dict(enumerate(names, start=first))
    return translate(labels, codes, where)


def _range(first: int, names: Sequence[str]) -> set[int]:
    return set(range(first, first + len(names)))


def _text(first: int, names: Sequence[str]) -> str:
    return ", ".join(f"{code} {name}" for code, name in enumerate(names, start=first))


def refuse_two_splits(root: Root, lists: Mapping[str, Iterable[str]]) -> None:
    """Refuse lists that put a clip into two splits.

    Parameters
    ----------
    lists : file of a list, or a split -> names of its clips
    """
    first: dict[str, str] = {}
    twice = {clip: name for name, clips in lists.items() for clip in clips if first.setdefault(clip, name) != name}
    if twice:
        clip, name = next(iter(twice.items()))
        raise DatasetError(
            f"{root.path}: expected every clip in one split, found {len(twice):,} in two, first {clip} in "
            f"{first[clip]} and {name}. Copy the lists again, or remove it from one of them"
        )


def conflict_notes(rows: Iterable[Row]) -> Iterator[str]:
    """Clips that are rejected because lists contradict each other, in a sentence."""
    if clips := [row.sample.id for row in rows if row.sample.reason == CONFLICT and not row.excluded]:
        yield f"{len(clips):,} clips have several labels and are rejected: {some(clips)}"
