"""A small folder of pictures, most with a drawn face, as the dataset `faces` of the current folder."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pipeline.datasets.drawn import draw_face, sample_specs
from stages.cli import run

__all__ = ["BLANKS", "N_IMAGES", "add_pictures", "index_faces"]

N_IMAGES = 10
BLANKS = (3, 8)  # without a face
_PEOPLE = sample_specs("sample-c", 60, 0)


def add_pictures(first: int, n: int) -> None:
    """Pictures `first` to `first + n - 1`, in two folders named like expressions."""
    for i in range(first, first + n):
        path = Path("faces-here", ("fear", "anger")[i % 2], f"{i:02d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        blank = Image.new("RGB", (80 + i, 100), (90, 100, 110))
        picture = blank if i in BLANKS else Image.fromarray(draw_face(_PEOPLE[i], "sample-c"))
        picture.save(path)


def index_faces() -> None:
    assert run(["index", "--dataset", "faces", "--layout", "folder", "--root", "faces-here", "--quiet"]) == 0
