"""Releases of which only a part lies below the root: their numbers would be about something else."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.datasets.reading.base import LayoutOptions
from pipeline.datasets.reading.rows import Row
from pipeline.datasets.roots.files import Root
from pipeline.errors import DatasetError

__all__ = ["refuse_without_test"]


def refuse_without_test(root: Root, rows: Iterable[Row], options: LayoutOptions, missing: str) -> None:
    """Refuse to carve a test split out of the train images of a dataset that has one of its own.

    Parameters
    ----------
    missing : the files of the official test images, for the message

    Raises
    ------
    DatasetError
        If no row is of the test split, and the options request one.
    """
    splits = {row.sample.split for row in rows}
    if "test" not in splits and options.test_fraction:
        raise DatasetError(
            f"{root.path}: expected the train and the test images, found no test images ({missing}): a part of the "
            "release. Unpack the rest below the root, or set the option test_fraction=0 to read this part alone"
        )
