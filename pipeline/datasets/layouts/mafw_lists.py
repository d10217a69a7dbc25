"""The lists of MAFW: the dataset's own with names of labels, and those of public code with numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from pipeline.datasets.reading.clip_lists import ListedClip, read_clip_list
from pipeline.datasets.reading.fold_lists import FoldList
from pipeline.datasets.reading.named_clips import clip_name
from pipeline.datasets.roots.files import MAX_TEXT_BYTES, Root
from pipeline.errors import DatasetError, ImageError

__all__ = ["MafwLists", "numbered", "read_lists"]

_OFFICIAL = (
    r"(?P<set>single|compound)/(?P<captions>no|with)_caption(?:_new)?/set_(?P<fold>\d)/(?P<split>train|test)\.txt"
)
_DFER_CLIP = r"MAFW_set_(?P<fold>\d)_(?P<split>train|test)\.txt"
_MAE_DFER = r"(?P<set>single|compound)/split0?(?P<fold>\d)/(?P<split>train|test)\.csv"
# Kinds of lists; the first one that the root has is read.
_KINDS = {
    "Train & Test Set": re.compile(f"(?:.*/)?{_OFFICIAL}", re.IGNORECASE),
    "MAFW_set_K lists": re.compile(f"(?:.*/)?{_DFER_CLIP}", re.IGNORECASE),
    "split0K lists": re.compile(f"(?:.*/)?{_MAE_DFER}", re.IGNORECASE),
}
_MOST_DIGITS = 9


@dataclass(frozen=True)
class MafwLists:
    """The lists of one kind.

    Parameters
    ----------
    kind : a name in `_KINDS`
    lists : their clips with the labels as they are written
    n_frames : clip -> its number of frames, where lists state it
    notes : sentences for the user
    """

    kind: str
    lists: Sequence[FoldList]
    n_frames: Mapping[str, int]
    notes: tuple[str, ...]


def read_lists(root: Root, labels: str, *, captions: bool) -> MafwLists | None:
    """The lists of a root; None if there is none.

    Parameters
    ----------
    labels : `single` or `compound`
    captions : whether the lists with captions are read, which lack the neutral clips

    Raises
    ------
    DatasetError
        If there are lists, but not the requested ones, or one cannot be read.
    """
    matches = {kind: _matches(root, pattern) for kind, pattern in _KINDS.items()}
    present = {kind: lists for kind, lists in matches.items() if lists}
    if not present:
        return None
    requested = {kind: _of(lists, labels, captions=captions) for kind, lists in present.items()}
    kind = next((kind for kind, lists in requested.items() if lists), None)
    if kind is None:
        first = next(iter(present.values()))[0][0]
        raise DatasetError(
            f"{root.path}: expected lists of the {labels} set {'with' if captions else 'without'} captions, found "
            f"others, first {first!r}. Set the options set (single, compound) and captions (true, false) to those that "
            "are there"
        )
    n_frames: dict[str, int] = {}
    lists = [_fold_list(root, match, n_frames, captions=captions) for match in requested[kind]]
    others = [other for other in present if other != kind]
    notes = [f"lists are read from {kind}; others are not read: {', '.join(others)}"] if others else []
    return MafwLists(kind, lists, n_frames, tuple(notes))


def numbered(path: str) -> str | None:
    """The name of the clip with this path, its number in five digits; None if it has no number."""
    stem = clip_name(path).rpartition("/")[2]
    is_number = stem.isascii() and stem.isdecimal() and len(stem) <= _MOST_DIGITS
    return f"{int(stem):05d}" if is_number else None


def _matches(root: Root, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    return [match for name in root.names() if (match := pattern.fullmatch(name))]


def _of(lists: Sequence[re.Match[str]], labels: str, *, captions: bool) -> list[re.Match[str]]:
    """Those of a set; lists of public code are without captions, and of single labels unless their path states it."""
    chosen = []
    for match in lists:
        groups = match.groupdict()
        has_captions = (groups.get("captions") or "no").casefold() == "with"
        if (groups.get("set") or "single").casefold() == labels and has_captions == captions:
            chosen.append(match)
    return chosen


def _fold_list(root: Root, match: re.Match[str], n_frames: dict[str, int], *, captions: bool) -> FoldList:
    """The list of a file; the numbers of frames that it states are added to `n_frames`."""
    name, clips = match[0], list[tuple[str, str]]()
    for item in _captioned(root, name) if captions else read_clip_list(root, name):
        clip = numbered(item.path)
        if clip is None:
            raise DatasetError(
                f"{root.path}: {name}: expected numbered clips such as 00001.mp4 or data/faces/00001, found "
                f"{item.path[:60]!r}. Correct the list"
            )
        clips.append((clip, item.label))
        if item.n_frames is not None:
            n_frames[clip] = item.n_frames
    return FoldList(int(match["fold"]), cast("Literal['train', 'test']", match["split"].casefold()), name, clips)


def _captioned(root: Root, name: str) -> list[ListedClip]:
    """Clip and label of lines that have captions behind them, in several encodings."""
    where = f"{root.path}: {name}"
    try:
        data = root.read(name, MAX_TEXT_BYTES)
    except ImageError as error:
        raise DatasetError(f"{where}: {error}. Copy it again") from error
    clips = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        fields = [field.strip().decode("ascii", errors="replace") for field in line.split(b"\t")[:2]]
        if len(fields) == 2:
            clips.append(ListedClip(fields[0], fields[1]))
        elif line.strip():
            raise DatasetError(
                f"{where}, line {number}: expected a clip, its label and captions with tabs between them, found "
                f"{fields[0][:60]!r}. Correct or remove the line"
            )
    if not clips:
        raise DatasetError(f"{where}: expected lines of a clip, its label and captions, found none. Copy it again")
    return clips
