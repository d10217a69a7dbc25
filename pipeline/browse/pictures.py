"""Thumbnails: pictures of the page as JPEG, and a grey square with the reason where one cannot be read."""

from __future__ import annotations

import io
import textwrap

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["PICTURE_SIDE", "as_jpeg", "missing_picture"]

PICTURE_SIDE = 160  # pixels of a thumbnail that is read from the dataset's root
_GREY, _TEXT, _FONT, _LETTERS = (118, 118, 118), (255, 255, 255), 14, 20
_QUALITY = 90


def as_jpeg(picture: Image.Image | npt.NDArray[np.uint8]) -> bytes:
    """A picture, mode RGB or uint8 (H, W, 3), as a file without any metadata."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def missing_picture(reason: str) -> Image.Image:
    """A grey square that says why there is no picture, mode RGB."""
    image = Image.new("RGB", (PICTURE_SIDE, PICTURE_SIDE), _GREY)
    font = ImageFont.load_default(_FONT)
    lines = textwrap.wrap(f"no picture: {reason}", _LETTERS, break_long_words=True)[:8]
    ImageDraw.Draw(image).multiline_text((8, 8), "\n".join(lines), _TEXT, font, spacing=3)
    return image
