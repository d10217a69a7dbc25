"""Lists of clips as they occur: `path label`, `path num_frames label`, tables with a header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.datasets.layouts.csv_list import ALIASES
from pipeline.datasets.layouts.path_lists import ALL, PathListsOptions, list_files, search_folders, tidy_path
from pipeline.datasets.reading.clip_lists import ListedClip, read_clip_list
from pipeline.datasets.reading.clips import ClipFiles
from pipeline.datasets.reading.listfile import Line, plain_header, read_table
from pipeline.datasets.reading.named_clips import clip_name
from pipeline.datasets.roots.files import Lookup, Root, composed, escapes, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image

__all__ = ["ClipLine", "Listed", "read_lists"]

_STEMS = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
    ALL: ("list", "labels", "clips"),
}
_SUFFIXES = (".txt", ".csv", ".tsv")
_NAMES = {split: [stem + end for stem in stems for end in _SUFFIXES] for split, stems in _STEMS.items()}
_COUNT = "n_frames"
_OPTIONAL = ("id", "split", "subject", "clip", "frame", "fold", "scene", _COUNT)
_PATHS = ("video path", "video name", "video file", "clip path", "clip name", "file", "file name", "file path")
_COUNTS = ("num frames", "frames", "frame count", "number of frames", "length")
_ALIASES: Mapping[str, str] = {
    **{alias: column for column, aliases in ALIASES.items() for alias in aliases},
    **dict.fromkeys(_PATHS, "path"),
    **dict.fromkeys(_COUNTS, _COUNT),
    **dict.fromkeys(("scenario",), "scene"),
}
_HEADERS = {plain_header(name): name for name in ("path", "label", *_OPTIONAL)} | {
    plain_header(alias): column for alias, column in _ALIASES.items()
}
_PLAIN_HEADERS = (["path", "label"], ["clip", "label"], ["path", _COUNT, "label"], ["clip", _COUNT, "label"])


@dataclass(frozen=True, slots=True)
class ClipLine:
    """One line of a list.

    Parameters
    ----------
    line : its fields: `path` and `label`, and those of `_OPTIONAL` that the list has
    path : of the clip, or of an image, below the root; where there is none, that where it should be
    split : of the list; empty where the list is of all splits
    """

    line: Line
    path: str
    split: str


@dataclass(frozen=True)
class Listed:
    """What the lists of a root hold.

    Parameters
    ----------
    lists : split -> file below the root, a list of all splits as an empty one
    unread : headers of columns that are not read
    """

    clips: Sequence[ClipLine]
    lists: Mapping[str, str]
    unread: tuple[str, ...] = ()


def read_lists(root: Root, options: PathListsOptions, prefix: str) -> Listed | None:
    """The lines of all lists of a root; None if it has no list.

    Parameters
    ----------
    prefix : the part that the paths of lists begin with and that is left out

    Raises
    ------
    DatasetError
        If a list cannot be read, has no row, or names paths outside of the root.
    """
    names = _names_present(root)
    lists = list_files(root, options, names)
    if options.lists is None:
        _refuse_two_forms(root, lists, names)
    if not lists:
        return None
    places, clips, unread = _Places(root), list[ClipLine](), dict[str, None]()
    for split, name in lists.items():
        places.search(search_folders(name, options), prefix)
        lines, of_table = _lines(root, name, places)
        unread |= dict.fromkeys(of_table)
        places.check([line["path"] for line in lines], f"{root.path}: {name}")
        clips += [ClipLine(line, places(line["path"]), split) for line in lines]
    return Listed(clips, lists, tuple(unread))


def _names_present(root: Root) -> dict[str, list[str]]:
    """Those of `_NAMES` that some file has: the files, of which there may be a million, are looked through once."""
    present = {composed(name.rpartition("/")[2]).casefold() for name in root.names()}
    return {split: [name for name in names if name in present] for split, names in _NAMES.items()}


def _refuse_two_forms(root: Root, lists: Mapping[str, str], names: Mapping[str, Sequence[str]]) -> None:
    for split in lists:
        found = [name for file in names[split or ALL] if (name := root.find(file))]
        if len(found) > 1:
            raise DatasetError(
                f"{root.path}: expected one {split or 'whole'} list, found {some(found)}. Name the lists by the option "
                f"lists, such as lists={{{split or ALL}: {found[0]}}}"
            )


def _lines(root: Root, name: str, places: _Places) -> tuple[Sequence[Line], tuple[str, ...]]:
    """The lines of a list, with or without a header, and its columns that are not read."""
    first = next((text for text in root.lines(name) if text.strip()), "")
    columns = _columns(re.split(r"[,;\t]", first))
    if any(separator in first for separator in ",;\t") and _is_header(columns):
        return _table(root, name, has_paths="path" in columns or "clip" not in columns)
    is_header = _is_header(columns := _columns(first.split()))
    if is_header and columns not in _PLAIN_HEADERS:
        raise DatasetError(
            f"{root.path}: {name}: expected the header `path label` or `path num_frames label`, or a table with commas "
            f"or tabs between its columns, found {first.strip()[:60]!r}. Write commas between them"
        )
    return [_plain_line(item, places, f"{root.path}: {name}") for item in read_clip_list(root, name, is_header)], ()


def _columns(header: Sequence[str]) -> list[str]:
    """What the fields of a header mean; empty for those that are not known."""
    return [_HEADERS.get(plain_header(field.strip().strip("\"'")), "") for field in header]


def _is_header(columns: Sequence[str]) -> bool:
    """Whether a first line names columns; a table that lacks one of those that it needs is refused with their names."""
    return "label" in columns or "path" in columns


def _table(root: Root, name: str, *, has_paths: bool) -> tuple[Sequence[Line], tuple[str, ...]]:
    """The rows of a table with a header; one without paths names its clips by their paths."""
    if has_paths:
        table = read_table(root, name, ("path", "label"), _OPTIONAL, _ALIASES)
        return table.lines, table.unread
    aliases = {alias: "path" if column == "clip" else column for alias, column in {**_ALIASES, "clip": "clip"}.items()}
    optional = [column for column in _OPTIONAL if column != "clip"]
    table = read_table(root, name, ("path", "label"), optional, aliases)
    return table.lines, table.unread


def _plain_line(item: ListedClip, places: _Places, where: str) -> Line:
    """A line without a header: a number after the path counts frames, unless the path with it is a clip on disk."""
    count = "" if item.n_frames is None else str(item.n_frames)
    if count and places.exists(whole := f"{item.path} {count}"):
        return Line({"path": tidy_path(whole), "label": item.label}, where)
    return Line({"path": tidy_path(item.path), "label": item.label, _COUNT: count}, where)


class _Places:
    """The clips and images of a root by the paths that a list writes.

    A path is relative to the folder of its list or to one above it: the nearest in which it is. The suffix of a video
    may be there or not: lists of frame folders often name the files that the frames were taken from.
    """

    def __init__(self, root: Root) -> None:
        files = ClipFiles(root)
        self._names = {*files.folders, *files.videos}
        self._clips = files.lookup()
        self._root = root
        self._stems: dict[str, list[str]] = {}
        for name in sorted(self._names):
            self._stems.setdefault(clip_name(name).casefold(), []).append(name)
        self._folders, self._prefix = [""], ""

    @cached_property
    def _images(self) -> Lookup:
        return Lookup(filter(is_image, self._root.names()))

    def search(self, folders: Sequence[str], prefix: str) -> None:
        """From now on paths are relative to one of `folders`, and what they begin with is left out."""
        self._folders, self._prefix = list(folders), tidy_path(prefix).rstrip("/")

    def exists(self, path: str) -> bool:
        """Whether the path of a list is a clip or an image on disk."""
        return any(self._below(folder, path) for folder in self._folders)

    def __call__(self, path: str) -> str:
        """The clip or image of a path; where there is none, the path in the folder of the list."""
        found = (self._below(folder, path) for folder in self._folders)
        return next(filter(None, found), self._folders[0] + self._short(path))

    def check(self, paths: Iterable[str], where: str) -> None:
        """Refuse paths outside of the root."""
        bad = [path for path in paths if not path or escapes(self._short(path))]
        if not bad:
            return
        raise DatasetError(
            f"{where}: expected paths inside the root, found {len(bad):,} others: {some(bad)}. {self._advice(bad[0])}"
        )

    def _advice(self, path: str) -> str:
        parts = self._short(path).split("/")
        for n in range(1, len(parts)):
            if any(self._below(folder, "/".join(parts[n:]), is_short=True) for folder in self._folders):
                return (
                    f"Set the option prefix to what they begin with on the machine of the list: {'/'.join(parts[:n])}"
                )
        return "Write them relative to the root or to the list, or set the option prefix to what is to be left out"

    def _short(self, path: str) -> str:
        """The path without the prefix."""
        path = tidy_path(path)
        if self._prefix and path.startswith(f"{self._prefix}/"):
            return path[len(self._prefix) + 1 :]
        return path

    def _below(self, folder: str, path: str, *, is_short: bool = False) -> str:
        """The clip or image of a path that is relative to a folder; empty if there is none."""
        name = composed(folder + (path if is_short else self._short(path)))
        if is_image(name):
            found = self._images(name)
            return found if self._root.exists(found) else ""
        if (found := self._clips(name)) in self._names:
            return found
        alike = self._stems.get(clip_name(name).casefold(), [])
        return alike[0] if len(alike) == 1 else ""
