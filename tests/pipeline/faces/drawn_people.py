"""Pictures with faces in them that need no licence: the drawn people of the sample, who are found as real ones are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from pipeline.datasets.drawn import draw_face, draw_group, sample_specs

__all__ = ["BLANK", "group", "person"]

BLANK = Image.new("RGB", (90, 120), (120, 130, 140))


@lru_cache
def person(i: int = 0, style: str = "sample-c") -> Image.Image:
    """One upright face, which fills most of the picture."""
    return Image.fromarray(draw_face(sample_specs(style, 60, 0)[5 * i], style))


@lru_cache
def group(n: int, style: str = "sample-c") -> Image.Image:
    """`n` people in one picture."""
    return Image.fromarray(np.asarray(draw_group(style, n)))
