"""Images sorted into one folder per class, with or without split folders above or below the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import PurePosixPath
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from pipeline.datasets.reading.ambiguous import OptionCodes, is_number
from pipeline.datasets.reading.base import LayoutOptions
from pipeline.datasets.reading.rows import Row, split_word, translate
from pipeline.datasets.reading.unread import by_folder
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError, LabelError
from pipeline.images.formats import is_image
from pipeline.tables.labels import (
    CLASS_SETS,
    CODE_MAPS,
    COMPOUND_CODE_MAPS,
    MAFW_CODE_MAPS,
    ClassSet,
    canonical,
    is_abbreviation,
)
from pipeline.tables.sample import Sample

__all__ = ["OUTSIDE", "CodedOptions", "class_rows", "other_files"]

OUTSIDE = "outside the class folders"
_SHOWN = 12
_MAPS = CODE_MAPS | COMPOUND_CODE_MAPS | MAFW_CODE_MAPS

_Parts = tuple[str, ...]
_IsLabel = Callable[[str], bool]


def _known_codes(codes: str | dict[int, str] | None) -> dict[int, str] | None:
    if isinstance(codes, str):
        if codes not in _MAPS:
            raise ValueError(f"expected a code map named {', '.join(_MAPS)}, or an inline map such as {{0: anger}}")
        return _MAPS[codes]
    try:
        return codes and {code: canonical(label) for code, label in codes.items()}
    except LabelError as error:
        raise ValueError(str(error)) from error


class CodedOptions(LayoutOptions):
    """Options of layouts whose labels may be any, and may be numbers, whose meaning only the user knows."""

    class_sets: ClassVar[tuple[ClassSet, ...]] = tuple(CLASS_SETS)

    codes: Annotated[dict[int, str] | str | None, AfterValidator(_known_codes)] = Field(
        None, description=f"what numeric labels mean: {', '.join(_MAPS)}, or a map such as {{0: anger, 1: disgust}}"
    )

    @property
    def code_map(self) -> dict[int, str] | None:
        """Code -> expression; None if numbers are refused."""
        return OptionCodes(self.codes) if isinstance(self.codes, dict) else None


def class_rows(
    root: Root, codes: Mapping[int, str] | None, *, has_codes: bool = False, files: Iterable[str] | None = None
) -> list[Row]:
    """One row per image: `[folders/][split/][folders/]class/any/depth/image.jpg`, or with the split below the class.

    The class folder is the first folder on the way to an image that is named like a label. A split folder has a name
    that `split_word` knows, in any case: `Training`, `valid`, `PublicTest`. All class folders of one split lie in the
    same folder. Images in no class folder are excluded rows, counted by folder. Ids are paths, in composed Unicode,
    below the folders that hold everything, so packing a folder changes none.

    Parameters
    ----------
    codes : what folders named by numbers mean; without it they are refused
    has_codes : whether the layout has the option `codes`, which the refusal of numbers then names
    files : what lies in the class folders, of layouts whose samples are no images; by default the images of the root

    Raises
    ------
    AmbiguousLabelsError
        If all class folders are named by numbers, there are no `codes`, and `has_codes`.
    LabelError
        For all folders in the position of a class folder whose names are no known label.
    DatasetError
        If a folder of class folders belongs to no split although others do, a split is in two folders, an image is in
        two splits, or a split folder holds images and no class folder.
    """
    images = _by_folder(filter(is_image, root.names()) if files is None else files)
    is_label = _label_test(codes)
    # Everything depends on the folders alone, of which there are few: each is known by its first image.
    paths = [tuple(names[0].split("/")) for names in images.values()]
    locations = [(path, _locate(path, is_label, root, len(images["/".join(path[:-1])]))) for path in paths]
    tree = _Tree(root, [location for _, location in locations if location.label])
    without = [path for path, location in locations if not location.label]
    unknown, outside = tree.classify(without) if tree.locations else _by_position(paths, is_label)
    folders = [(path, location.label, location.split) for path, location in locations if location.label]
    folders += [(path, folder, "") for path, folder in unknown.items()]
    names = [images["/".join(path[:-1])] for path, *_ in folders]
    raw = [folder for (_, folder, _), of_folder in zip(folders, names, strict=True) for _ in of_folder]
    labels = iter(translate(raw, codes, str(root.path), list(chain(*names)) if has_codes else None))
    tree.check()
    unwrapped, rows = _unwrapped(paths, is_label), []
    for (path, _, split), of_folder in zip(folders, names, strict=True):
        n_above = len(path) - len(unwrapped[path])
        rows += [
            Row(Sample(composed(name.split("/", n_above)[-1]), name, label, split))
            for name, label in zip(of_folder, labels, strict=False)
        ]
    not_read = [name for path in outside for name in images["/".join(path[:-1])]]
    return rows + _outside(not_read, ["/".join(path) for path, *_ in folders])


def _by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    """Folder, empty for the root itself -> the images in it, as both come."""
    images: dict[str, list[str]] = {}
    for name in names:
        images.setdefault(name.rpartition("/")[0], []).append(name)
    return images


def other_files(root: Root, read: Collection[str] = ()) -> Mapping[str, int]:
    """Files that are no images by their names and not among those `read`, per suffix: none is left out silently."""
    others = [name for name in root.names() if not is_image(name) and name not in read]
    suffixes = Counter(PurePosixPath(name).suffix or "no suffix" for name in others)
    rest = suffixes.most_common()[_SHOWN:]
    return dict(sorted(suffixes.most_common(_SHOWN))) | ({"other suffixes": sum(n for _, n in rest)} if rest else {})


@dataclass(frozen=True)
class _Location:
    """Where the images of a folder are: the folders above the class folder (`above`), that, and the split they name."""

    above: _Parts
    label: str
    split: str
    split_folder: str
    n_images: int


@dataclass(frozen=True)
class _Tree:
    """Folders with images in class folders, and what they must agree on."""

    root: Root
    locations: Sequence[_Location]

    def classify(self, paths: Iterable[_Parts]) -> tuple[dict[_Parts, str], list[_Parts]]:
        """Folders in no class folder: those in a sibling of class folders, with its name, and all others.

        Each is known by the path of one of its images.
        """
        parents = {location.above for location in self.locations}
        ancestors = {parent[:n] for parent in parents for n in range(len(parent) + 1)}
        unknown: dict[_Parts, str] = {}
        outside: list[_Parts] = []
        for path in paths:
            folders = path[:-1]
            n = max((n for n in range(len(folders)) if folders[:n] in parents), default=None)
            if (split := _first_split(folders)) and folders[:split] not in ancestors:
                raise DatasetError(
                    f"{self.root.path}: expected class folders below {'/'.join(folders[:split])}/, found "
                    f"{'/'.join(path)} in none. Sort its images into class folders, or move the folder out of the root"
                )
            if n is not None and not (n == 0 and folders[0] in {parent[0] for parent in parents if parent}):
                unknown[path] = folders[n]
            else:
                outside.append(path)
        return unknown, outside

    def check(self) -> None:
        """Refuse trees in which the split of an image would be a guess."""
        by_split: dict[str, dict[tuple[_Parts, str], _Location]] = {}
        for location in self.locations:
            by_split.setdefault(location.split, {}).setdefault(
                (location.above, location.split_folder.casefold()), location
            )
        for split, folders in by_split.items():
            if split and len(folders) > 1:
                raise DatasetError(
                    f"{self.root.path}: expected one folder of {split} images, found "
                    f"{_folders_text(folders.values())}. Point the root below one of them, or merge them into one"
                )
        if "" in by_split and len(by_split) > 1:
            n = sum(location.n_images for location in self.locations if not location.split)
            raise DatasetError(
                f"{self.root.path}: expected every class folder in a split folder (train, val, test, PublicTest, ...), "
                f"found {n} images elsewhere, in {_folders_text(by_split[''].values())}. Rename the folder after its "
                "split, or move it out of the root"
            )
        if len(by_split.get("", ())) > 1:
            raise DatasetError(
                f"{self.root.path}: expected all class folders in one folder, or in split folders (train, val, test, "
                f"PublicTest, ...), found {_folders_text(by_split[''].values())}. Rename them if they are splits; if "
                "they are people or sessions, list the images in a csv with a column `subject` (layout csv)"
            )


def _locate(path: _Parts, is_label: _IsLabel, root: Root, n_images: int) -> _Location:
    folders = path[:-1]
    at = next((i for i, folder in enumerate(folders) if is_label(folder)), None)
    if at is None:
        return _Location(folders, "", "", "", n_images)
    named = [(i, split_word(folder)) for i, folder in enumerate(folders) if split_word(folder)]
    splits = {split for _, split in named}
    if len(splits) > 1:
        raise DatasetError(
            f"{root.path}: expected an image in one split, found {'/'.join(path)} below "
            f"{some([folders[i] + '/' for i, _ in named])}. Move it, or rename the folder that is no split"
        )
    if any(i > at and any(map(is_label, folders[i + 1 :])) for i, _ in named):
        raise DatasetError(
            f"{root.path}: expected one class folder above every image, found two, with a split folder between them: "
            f"{'/'.join(path)}. Point the root below {'/'.join(folders[: at + 1])}/, or rename it"
        )
    inner = [folder for folder in folders[at + 1 :] if is_label(folder) and not is_number(folder)]
    if inner and is_abbreviation(folders[at]):
        raise DatasetError(
            f"{root.path}: expected one class folder above every image, found {folders[at]}/, a code for a label, "
            f"above {inner[0]}/: {'/'.join(path)}. Rename {folders[at]}/ if it is no class, or point the root below it"
        )
    below = next((folders[i] for i, _ in named if i > at), "")
    return _Location(folders[:at], folders[at], next(iter(splits), ""), below, n_images)


def _first_split(folders: _Parts) -> int:
    """How many folders lead down to the first split folder, itself counted; 0 if there is none."""
    return next((i + 1 for i, folder in enumerate(folders) if split_word(folder)), 0)


def _by_position(paths: Sequence[_Parts], is_label: _IsLabel) -> tuple[dict[_Parts, str], list[_Parts]]:
    """As `_Tree.classify`, where no folder is a known label: the class folder is known by its position alone."""
    unwrapped = _unwrapped(paths, is_label)
    groups: dict[str, list[_Parts]] = {}
    for path in paths:
        first = unwrapped[path][0] if len(unwrapped[path]) > 1 else ""
        groups.setdefault(split_word(first) and first, []).append(path)
    unknown: dict[_Parts, str] = {}
    for split, group in groups.items():
        if split or len(groups) == 1:
            below = _unwrapped([unwrapped[path][bool(split) :] for path in group], is_label)
            folders = {path: below[unwrapped[path][bool(split) :]] for path in group}
            unknown |= {path: rest[0] for path, rest in folders.items() if len(rest) > 1}
    return unknown, [path for path in paths if path not in unknown]


def _outside(names: Sequence[str], read: Sequence[str]) -> list[Row]:
    folders = by_folder(names, read)
    most_common = {folder for folder, _ in Counter(folders.values()).most_common(_SHOWN)}
    reasons = {
        folder: f"{OUTSIDE} ({folder if folder in most_common else 'other folders'})" for folder in folders.values()
    }
    return [Row(Sample("", name, "", ""), excluded=reasons[folder]) for name, folder in folders.items()]


def _folders_text(locations: Iterable[_Location]) -> str:
    return some([_folder_text(location) for location in locations], 4)


def _folder_text(location: _Location) -> str:
    if location.split_folder:
        return "/".join((*location.above, location.label, location.split_folder)) + "/"
    return "/".join(location.above or (location.label,)) + "/"


def _unwrapped(paths: Iterable[_Parts], is_label: _IsLabel) -> dict[_Parts, _Parts]:
    """Path -> path without the leading folders that all folders lie in and that are neither a label nor a split."""
    paths = list(paths)
    n = 0
    while len(shared := {path[n] for path in paths if len(path) > n + 1}) == 1:
        holds_a_class = any(len(path) > n + 2 for path in paths)
        if not holds_a_class or is_label(*shared) or split_word(*shared):
            break
        n += 1
    return {path: path[n:] or path[-1:] for path in paths}


def _label_test(codes: Mapping[int, str] | None) -> _IsLabel:
    @cache
    def is_label(folder: str) -> bool:
        try:
            translate([folder], codes, "")
        except LabelError:
            return False
        return True

    return is_label
