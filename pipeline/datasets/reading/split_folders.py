"""Folders whose names begin with a split, as archives of EmotiW unpack: `Train_AFEW`, `Val_Aligned_Faces_new`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pipeline.datasets.roots.files import Root
from pipeline.errors import DatasetError

__all__ = ["first_split", "split_above"]

_SPLIT_FOLDER = re.compile(r"(train|val|test)(?:ing|id|idation)?(?![a-z])", re.IGNORECASE)


def first_split(name: str) -> str:
    """The split that a name begins with, as a word of its own; empty if none."""
    match = _SPLIT_FOLDER.match(name)
    return match[1].casefold() if match else ""


def split_above(root: Root, path: str) -> str:
    """The split that the folders above a picture or clip name; empty if none does.

    Raises
    ------
    DatasetError
        If they name two.
    """
    named = sorted({word for folder in PurePosixPath(path).parts[:-1] if (word := first_split(folder))})
    if len(named) > 1:
        raise DatasetError(
            f"{root.path}: expected a picture in one split, found {path} below folders of {' and '.join(named)}. Move "
            "it, or rename the folder that is no split"
        )
    return named[0] if named else ""
