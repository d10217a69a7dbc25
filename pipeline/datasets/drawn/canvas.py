"""A supersampled sheet that takes shapes in face units and gives an antialiased picture with its coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.datasets.drawn.curves import Points, ribbon

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Canvas", "Colour", "Pixels", "mix"]

Colour = tuple[int, int, int]
Pixels = npt.NDArray[np.float32]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of `second` in `first`, share in [0, 1]."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


class Canvas:
    """Opaque shapes cover what lies below; soft ones tint it.

    Parameters
    ----------
    size : (width, height) of the finished picture in pixels
    unit : pixels per face unit
    centre : pixel that the origin of the face falls on
    supersample : int >= 1, drawn pixels per finished pixel, along each axis
    """

    def __init__(self, size: tuple[int, int], unit: float, centre: tuple[float, float], supersample: int) -> None:
        self.size, self.unit, self.centre, self._supersample = size, unit, centre, supersample
        self._image = Image.new("RGBA", (size[0] * supersample, size[1] * supersample), (0, 0, 0, 0))
        self._pen = ImageDraw.Draw(self._image)

    def polygon(self, points: Points, colour: Colour) -> None:
        self._pen.polygon(self._pixels(points), fill=(*colour, 255))

    def stroke(self, curve: Points, width: Points | float, colour: Colour) -> None:
        """A line with round ends; `width` in face units, one number or one for each point."""
        self.polygon(ribbon(curve, width), colour)
        widths = np.ravel(width)
        for tip, thickness in ((curve[0], widths[0]), (curve[-1], widths[-1])):
            x, y = (tip * self.unit + self.centre) * self._supersample
            radius = thickness * self.unit * self._supersample / 2
            self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*colour, 255))

    def soft(self, shapes: Iterable[tuple[Points, float]], colour: Colour, blur: float) -> None:
        """Tint what is drawn so far inside polygons with a share in [0, 1] each, blurred by `blur` face units."""
        polygons = [(points * self.unit + self.centre, share) for points, share in shapes]
        corners = np.vstack([points for points, _ in polygons])
        margin = 3 * blur * self.unit + 1  # nothing of the blur is cut off
        low = np.maximum(0, np.floor(corners.min(axis=0) - margin)).astype(int)
        high = np.minimum(self.size, np.ceil(corners.max(axis=0) + margin)).astype(int)
        if (high <= low).any():
            return
        mask = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])), 0)
        pen = ImageDraw.Draw(mask)
        for points, share in polygons:
            pen.polygon((points - low).ravel().tolist(), fill=round(255 * min(1.0, max(0.0, share))))
        self._tint(mask.filter(ImageFilter.GaussianBlur(blur * self.unit)), (int(low[0]), int(low[1])), colour)

    def _tint(self, mask: Image.Image, corner: tuple[int, int], colour: Colour) -> None:
        left, top = corner[0] * self._supersample, corner[1] * self._supersample
        large = mask.resize(
            (mask.width * self._supersample, mask.height * self._supersample), Image.Resampling.BILINEAR
        )
        box = (left, top, left + large.width, top + large.height)
        self._image.paste((*colour, 255), box, ImageChops.multiply(large, self._image.crop(box).getchannel("A")))

    def picture(self) -> tuple[Pixels, Pixels]:
        """Colour (H, W, 3) and coverage (H, W, 1), float32 in [0, 1]; colour is already multiplied by coverage."""
        small = self._image.convert("RGBa").reduce(self._supersample)
        pixels = np.frombuffer(small.tobytes(), dtype=np.uint8).reshape(self.size[1], self.size[0], 4)
        values = pixels.astype(np.float32) / np.float32(255)
        return values[..., :3], values[..., 3:]

    def _pixels(self, points: Points) -> list[float]:
        flat: list[float] = ((points * self.unit + self.centre) * self._supersample).ravel().tolist()
        return flat
