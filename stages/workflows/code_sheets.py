"""A picture of a dataset whose labels are bare numbers: which face has which number."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from PIL import Image

from cache.atomic import write_bytes
from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.files import Root
from pipeline.errors import ImageError
from pipeline.faces.sheet import draw_label_sheet
from pipeline.images.decode import decode_picture

__all__ = ["N_IMAGES", "write_code_sheet"]

N_IMAGES = 8  # of each number

_MOST_NUMBERS = 40


def write_code_sheet(path: Path, root: Path, examples: Mapping[str, Sequence[str]]) -> None:
    """Write a PNG with a row of images for each number.

    Parameters
    ----------
    root : of the dataset
    examples : number -> paths below the root, more than are shown, as some may be no images that can be decoded

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    shown = list(examples.items())[:_MOST_NUMBERS]
    with open_root(root) as files:
        rows = {number: list(islice(_pictures(files, paths), N_IMAGES)) for number, paths in shown}
    buffer = io.BytesIO()
    draw_label_sheet(rows).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _pictures(files: Root, paths: Sequence[str]) -> Iterator[Image.Image]:
    for path in paths:
        try:
            yield decode_picture(files.read(path))
        except ImageError:
            continue  # it is a rejected row as soon as its number has a meaning
