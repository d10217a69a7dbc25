"""Drawn people for the tests of prediction: no real face is needed, and the detector finds them."""

from __future__ import annotations

from functools import cache

from PIL import Image

from pipeline.datasets.drawn import draw_group

__all__ = ["N_PEOPLE", "grey", "people"]

N_PEOPLE = 5


@cache
def people(n: int = N_PEOPLE, seed: int = 0, style: str = "sample-c") -> Image.Image:
    """A picture with `n` people."""
    return Image.fromarray(draw_group(style, n, seed))


def grey(size: tuple[int, int] = (200, 160)) -> Image.Image:
    """A picture with nobody in it."""
    return Image.new("RGB", size, (120, 120, 120))
