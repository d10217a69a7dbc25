"""Images whose file names hold their labels: `KA.AN1.39.tiff`, `AF01ANS.JPG`, `S010_004_00000017.png`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.datasets.reading.rows import Row
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image
from pipeline.tables.sample import Sample

__all__ = ["named_images", "other_name"]


def named_images(
    root: Root, pattern: re.Pattern[str], example: str
) -> tuple[list[tuple[str, re.Match[str]]], list[Row]]:
    """Images whose name, without its folders, fits `pattern`, and an excluded row for each of the others.

    Raises
    ------
    DatasetError
        If two files have one name, whatever their suffixes: which of them is meant would be a guess.
    """
    names = [name for name in root.names() if is_image(name)]
    matches = [(name, pattern.fullmatch(composed(name).rpartition("/")[2])) for name in names]
    fitting = [(name, match) for name, match in matches if match]
    _refuse_twice(root, [name for name, _ in fitting])
    return fitting, [other_name(name, example) for name, match in matches if not match]


def other_name(name: str, example: str) -> Row:
    """The excluded row of an image whose name is not like `example`."""
    return Row(Sample("", name, "", ""), f"name is not like {example}")


def _refuse_twice(root: Root, names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        base = composed(name).rpartition("/")[2].rpartition(".")[0].casefold()
        if (other := first.setdefault(base, name)) != name:
            raise DatasetError(
                f"{root.path}: expected every image once, found {some([other, name])}. Point the root at one of the "
                "folders that hold them"
            )
