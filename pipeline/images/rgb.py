"""An image of any mode, as Pillow loads it, in RGB with 8 bits: by stated ranges, transparency over black."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from pipeline.images.ranges import (
    COLOURS_16,
    FLOATS,
    INTEGERS,
    SIXTEEN_BITS,
    TWELVE_BITS,
    ValueRange,
    range_of,
    unknown_range,
)

__all__ = ["check_16_bit_colours", "has_16_bit_colours", "to_rgb"]

_BAND_PIXELS = 4_000_000  # what needs many bytes a pixel is done some rows at a time
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # of TIFF


def has_16_bit_colours(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet has 16 bits in each of several channels: Pillow keeps the upper 8."""
    args = [part.args for part in getattr(image, "tile", [])]
    modes = [some if isinstance(some, str) else some[0] for some in args if some]
    return not image.mode.startswith("I") and any(isinstance(mode, str) and ";16" in mode for mode in modes)


def check_16_bit_colours(image: Image.Image) -> None:
    """ImageError if a picture of 16-bit colours is so dark that it may be one of fewer bits."""
    extrema: list[Any] = [image.getchannel(band).getextrema() for band in image.getbands() if band not in "AaX"]
    smallest, largest = min(low for low, _ in extrema), max(high for _, high in extrema)
    if not COLOURS_16.explains(smallest, largest):
        raise unknown_range(np.dtype(np.uint16), smallest * 256, largest * 256 + 255)


def to_rgb(image: Image.Image) -> Image.Image:
    """A loaded image of any mode -> mode RGB.

    Raises
    ------
    ImageError
        If its values are of more than 8 bits and no range explains them.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _to_eight_bits(image).convert("RGB")
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for an inverted one of Adobe's; without that mark it is not.
        return image.point(lambda value: 255 - value).convert("RGB")
    if image.has_transparency_data:
        return _over_black(image)
    return image if image.mode == "RGB" else image.convert("RGB")  # converting RGB to RGB would copy it


def _over_black(image: Image.Image) -> Image.Image:
    rgb = Image.new("RGB", image.size)
    for top, band in _bands(image):
        black = Image.new("RGBA", band.size, (0, 0, 0, 255))
        rgb.paste(Image.alpha_composite(black, band.convert("RGBA")).convert("RGB"), (0, top))
    return rgb


def _to_eight_bits(image: Image.Image) -> Image.Image:
    value_range = range_of((np.asarray(band) for _, band in _bands(image)), _ranges_of(image))
    # Pillow inverts such pictures of 8 bits, and leaves those of more as they are.
    inverted = _tiff_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
    grey = Image.new("L", image.size)
    for top, band in _bands(image):
        pixels = value_range.scaled(np.asarray(band))
        grey.paste(Image.fromarray(255 - pixels if inverted else pixels), (0, top))
    return grey


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """All rows of an image, some at a time, and the first of them."""
    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _ranges_of(image: Image.Image) -> Sequence[ValueRange]:
    """The ranges that the values of a grey image of more than 8 bits may have."""
    if image.mode == "F":
        return FLOATS
    if image.format in ("PPM", "JPEG2000"):  # Pillow has scaled them by the range that the file states
        return (replace(SIXTEEN_BITS, least_max=0),)
    if _tiff_tag(image, _BITS_PER_SAMPLE) == (12,):
        return (TWELVE_BITS,)
    return INTEGERS if image.mode == "I" else (SIXTEEN_BITS,)


def _tiff_tag(image: Image.Image, tag: int) -> Any:
    return getattr(image, "tag_v2", {}).get(tag)
