"""Images sorted into one folder per class, with or without train/val/test above: found below any wrapper folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.datasets.base import LayoutOptions
from pipeline.datasets.files import Root
from pipeline.datasets.rows import SPLIT_WORDS, Row, translate
from pipeline.errors import LabelError
from pipeline.labels import CODE_MAPS, canonical
from pipeline.samples import Sample

__all__ = ["IMAGE_SUFFIXES", "OUTSIDE", "CodedOptions", "class_rows", "is_image"]

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2"}
)
OUTSIDE = "outside the class folders"

_Parts = tuple[str, ...]


def _known_codes(codes: str | dict[int, str] | None) -> dict[int, str] | None:
    if isinstance(codes, str):
        if codes not in CODE_MAPS:
            raise ValueError(f"expected a code map named {', '.join(CODE_MAPS)}, or an inline map such as {{0: anger}}")
        return CODE_MAPS[codes]
    try:
        return codes and {code: canonical(label) for code, label in codes.items()}
    except LabelError as error:
        raise ValueError(str(error)) from error


class CodedOptions(LayoutOptions):
    """Options of layouts whose labels may be numbers that nobody but the user can explain."""

    codes: Annotated[dict[int, str] | str | None, AfterValidator(_known_codes)] = Field(
        None, description=f"what numeric labels mean: {', '.join(CODE_MAPS)}, or a map such as {{0: anger, 1: disgust}}"
    )

    @property
    def code_map(self) -> dict[int, str] | None:
        """Code -> expression; None if numbers are refused."""
        return self.codes if isinstance(self.codes, dict) else None


def class_rows(root: Root, codes: Mapping[int, str] | None) -> list[Row]:
    """One row per image: `[wrapper/][split/][wrapper/]class/any/depth/image.jpg`.

    A wrapper is a folder that holds everything and is no label. Images that lie in no class folder, or beside the
    split folders, are excluded rows. Ids are paths below the wrapper, so packing the folder changes none.

    Raises
    ------
    LabelError
        For all folders that are no known label.
    """
    paths = _unwrapped([tuple(name.split("/")) for name in root.names() if is_image(name)], _label_test(codes))
    with_splits = any(_split(path) for path in paths.values())
    groups: dict[str, dict[_Parts, _Parts]] = {}
    for full, path in paths.items():
        groups.setdefault(_split(path), {})[full] = path[1:] if with_splits else path
    rows: list[Row] = []
    for split, group in groups.items():
        stray = with_splits and not split
        rows += _outside(group) if stray else _group_rows(group, paths, split, codes, str(root.path))
    return rows


def is_image(name: str) -> bool:
    """Whether the name has a suffix of an image format, in any case."""
    return "." + name.rpartition(".")[2].casefold() in IMAGE_SUFFIXES


def _group_rows(
    group: Mapping[_Parts, _Parts],
    ids: Mapping[_Parts, _Parts],
    split: str,
    codes: Mapping[int, str] | None,
    where: str,
) -> list[Row]:
    below = _unwrapped(group.values(), _label_test(codes))
    folders = {full: below[path][0] for full, path in group.items() if len(below[path]) > 1}
    labels = translate(list(folders.values()), codes, where)
    rows = [
        Row(Sample("/".join(ids[full]), "/".join(full), label, split))
        for full, label in zip(folders, labels, strict=True)
    ]
    return rows + _outside(full for full in group if full not in folders)


def _outside(paths: Iterable[_Parts]) -> list[Row]:
    return [Row(Sample("", "/".join(path), "", ""), excluded=OUTSIDE) for path in paths]


def _split(path: _Parts) -> str:
    # The folder needs a class folder below it: a file `train/a.jpg` says nothing.
    return SPLIT_WORDS.get(path[0].casefold(), "") if len(path) > 1 else ""


def _unwrapped(paths: Iterable[_Parts], is_label: Callable[[str], bool]) -> dict[_Parts, _Parts]:
    """Path -> path without the leading folders that all folders lie in and that are neither a label nor a split."""
    paths = list(paths)
    n = 0
    while len(shared := {path[n] for path in paths if len(path) > n + 1}) == 1:
        holds_a_class = any(len(path) > n + 2 for path in paths)
        if not holds_a_class or is_label(*shared) or _split((*shared, "")):
            break
        n += 1
    return {path: path[n:] or path[-1:] for path in paths}


def _label_test(codes: Mapping[int, str] | None) -> Callable[[str], bool]:
    def is_label(folder: str) -> bool:
        try:
            translate([folder], codes, "")
        except LabelError:
            return False
        return True

    return is_label
