"""`list`: text files with a path and a label in each line, one file per split, as many projects write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.datasets.reading.ambiguous import refuse_numbers
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import CodedOptions
from pipeline.datasets.reading.clips import refuse_videos_alone
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, spelled_once, split_word, translate
from pipeline.datasets.roots.files import Lookup, Root, composed, escapes, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import SPLITS, Sample

__all__ = ["ALL", "PathLists", "PathListsOptions", "list_files", "search_folders", "tidy_path"]

ALL = "all"
_LINE = re.compile(r"(?P<path>.*?)[\s,;]+(?P<label>[^\s,;]+)")
_NAMES = {
    "train": ("train.txt",),
    "val": ("val.txt", "valid.txt", "validation.txt"),
    "test": ("test.txt",),
    ALL: ("list.txt",),
}


def _split_names(lists: dict[str, str] | None) -> dict[str, str] | None:
    names = {key: ALL if key == ALL else split_word(key) for key in lists or ()}
    if strange := [key for key, split in names.items() if not split]:
        raise ValueError(f"expected {', '.join((*SPLITS, ALL))}, found {', '.join(map(repr, strange))}")
    if len(set(names.values())) < len(names):
        raise ValueError(f"expected one file for each split, found {', '.join(names)}")
    return lists and {names[key]: file for key, file in lists.items()}


class PathListsOptions(CodedOptions):
    lists: Annotated[dict[str, str] | None, AfterValidator(_split_names)] = Field(
        None,
        description="split -> file, as {train: train.txt, test: test.txt}; `all` for a list without splits. Without it "
        "train.txt, val.txt, test.txt and list.txt are searched",
    )
    images: str = Field("", description="folder that the paths are relative to, beside the list or above it")


class PathLists:
    """`train.txt`, `val.txt`, `test.txt` with lines `path label`: a space, tab or comma between, no header.

    The label is what follows the last separator, so that paths may have spaces in them; it is a name, or a number with
    the option `codes`. Paths are relative to the folder of the list, or to one above it: the nearest in which the file
    is. A picture that is in two lists, or twice with two labels, is one rejected row, in whatever spelling of its path.
    """

    name = "list"
    summary = "train.txt, val.txt, test.txt or list.txt with lines `path label`"
    Options = PathListsOptions

    def scan(self, root: Root, options: PathListsOptions) -> Scan:
        files = list_files(root, options)
        if not files:
            raise not_this_layout(root, self)
        lookup = Lookup(root.names())
        listed = _one_spelling(
            [e for split, name in files.items() for e in _entries(root, name, split, lookup, options)]
        )
        refuse_videos_alone([sample.path for sample, _ in listed], str(root.path))
        if options.code_map is None:
            refuse_numbers([label for _, label in listed], [sample.path for sample, _ in listed], str(root.path))
        rows = _labelled(root, files, listed, options)
        return assemble(merge_repeats(rows, options.names), options)


def list_files(
    root: Root, options: PathListsOptions, names: Mapping[str, Sequence[str]] = MappingProxyType(_NAMES)
) -> dict[str, str]:
    """Split -> list, `all` as an empty split.

    Parameters
    ----------
    names : split -> names of lists that are searched where the option `lists` is not set

    Raises
    ------
    DatasetError
        If a list that the option names is not there.
    """
    if options.lists is None:
        found = {split: name for split, files in names.items() if (name := _first(root, files))}
        whole = found.pop(ALL, None)
        return found or ({"": whole} if whole else {})
    if not root.names():
        return {}
    found = {split: name for split, file in options.lists.items() if (name := root.find(file))}
    if missing := [file for split, file in options.lists.items() if split not in found]:
        raise DatasetError(
            f"{root.path}: expected the lists that the option lists names, found no {some(missing)}. Correct the "
            "option, or put them below the root"
        )
    return {"" if split == ALL else split: name for split, name in found.items()}


def _first(root: Root, files: Sequence[str]) -> str | None:
    return next((name for file in files if (name := root.find(file))), None)


def _entries(
    root: Root, name: str, split: str, lookup: Lookup, options: PathListsOptions
) -> Iterator[tuple[Sample, str]]:
    """A sample without its label, and the label as it is written, of every line."""
    pairs = list(_pairs(root, name))
    if not pairs:
        raise DatasetError(f"{root.path}: {name}: expected lines `path label`, found none. Is it the whole list?")
    folders = search_folders(name, options)
    for path, label in pairs:
        yield Sample(path, _find(root, folders, path, lookup), "", split), label


def search_folders(name: str, options: PathListsOptions) -> list[str]:
    """Folders that the paths of a list may be relative to, the nearest first, each with its slash."""
    images = f"{options.images.strip('/')}/" if options.images else ""
    return [f"{folder}/{images}" if folder.name else images for folder in PurePosixPath(name).parents]


def _one_spelling(listed: Sequence[tuple[Sample, str]]) -> list[tuple[Sample, str]]:
    ids = spelled_once([sample.id for sample, _ in listed], [sample.path for sample, _ in listed])
    return [(replace(sample, id=name), label) for (sample, label), name in zip(listed, ids, strict=True)]


def _labelled(
    root: Root, files: Mapping[str, str], listed: Sequence[tuple[Sample, str]], options: PathListsOptions
) -> list[Row]:
    rows = []
    for split, name in files.items():
        of_list = [(sample, label) for sample, label in listed if sample.split == split]
        labels = translate([label for _, label in of_list], options.code_map, f"{root.path}: {name}")
        rows += [Row(replace(sample, label=label)) for (sample, _), label in zip(of_list, labels, strict=True)]
    return rows


def _pairs(root: Root, name: str) -> Iterator[tuple[str, str]]:
    """(path, label) of every line that holds anything."""
    for n, line in enumerate(root.lines(name), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        path = tidy_path(match["path"]) if match else ""
        if match is None or not path:
            raise DatasetError(
                f"{root.path}: {name}, line {n}: expected `path label`, found {line.strip()[:60]!r}. A table with a "
                "header is read by the layout csv"
            )
        if escapes(path):
            raise DatasetError(
                f"{root.path}: {name}, line {n}: expected a path inside the root, found {path[:80]!r}. Write the paths "
                "relative to the root, or to the list"
            )
        yield path, match["label"]


def tidy_path(path: str) -> str:
    """A path of a list with `/` between its parts, without quotes and parts that mean nothing."""
    parts = path.strip("\"'").replace("\\", "/").split("/")
    absolute = "/" if len(parts) > 1 and not parts[0] else ""
    return absolute + "/".join(part for part in parts if part not in ("", "."))


def _find(root: Root, folders: list[str], path: str, lookup: Lookup) -> str:
    names = [lookup(composed(folder + path)) for folder in folders]
    return next((name for name in names if root.exists(name)), names[0])
