"""Curves in face units, the head turned in front of the viewer, and the sheet that shapes are drawn on.

Face units: the origin lies between eyes and nose tip, x grows to the image's right, y down; a face is about 1.6 wide
and 2.2 high, its front at depth z > 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.datasets.drawn.anatomy import Pose

__all__ = [
    "Canvas",
    "Colour",
    "Pixels",
    "Points",
    "Projection",
    "bow",
    "channels",
    "closed",
    "ellipse",
    "even_steps",
    "mix",
    "ribbon",
    "shifted",
    "smooth",
    "to_bytes",
]

Points = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]
Colour = tuple[int, int, int]

_STEPS = np.linspace(0.0, 1.0, 6, endpoint=False)[:, None, None]
_HEAD_RADII = (0.95, 1.35, 0.65)  # x, y, z of the ellipsoid that features lie on
_EYE_DISTANCE = 7.0  # viewer to head, in face units: a mild perspective


def smooth(points: Sequence[tuple[float, float]] | Points, loop: bool = False) -> Points:
    """A curve through all `points` (K, 2): a Catmull-Rom spline with 6 steps between neighbours."""
    knots = np.asarray(points, dtype=np.float64)
    n = len(knots)
    padded = np.empty((n + 3 if loop else n + 2, 2))
    padded[0], padded[1 : n + 1] = knots[-1 if loop else 0], knots
    padded[n + 1 :] = knots[:2] if loop else knots[-1]
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = _STEPS
    cubic = 3 * start - before - 3 * end + after
    segments = start + 0.5 * t * (end - before + t * (2 * before - 5 * start + 4 * end - after + t * cubic))
    n_steps = segments.shape[0] * segments.shape[1]
    curve: Points = np.empty((n_steps if loop else n_steps + 1, 2))
    curve[:n_steps].reshape(segments.shape[1], -1, 2)[:] = segments.transpose(1, 0, 2)
    curve[n_steps:] = knots[-1]
    return curve


@lru_cache(maxsize=64)
def even_steps(n: int) -> Points:
    """n numbers from -1 to 1, read-only: drawing needs the same ones thousands of times."""
    steps = np.linspace(-1.0, 1.0, n)
    steps.flags.writeable = False
    return steps


@lru_cache(maxsize=64)
def _circle(n: int) -> Points:
    angle = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    corners = np.column_stack([np.cos(angle), np.sin(angle)])
    corners.flags.writeable = False
    return corners


def bow(
    left: tuple[float, float], right: tuple[float, float], middle: float, power: float = 2.0, n: int = 17
) -> Points:
    """A curve from `left` to `right` that passes the height `middle` half-way, shape (n, 2); power > 2 is boxier."""
    t = even_steps(n)
    chord = left[1] + (right[1] - left[1]) * (t + 1) / 2
    x = left[0] + (right[0] - left[0]) * (t + 1) / 2
    y = chord + (middle - (left[1] + right[1]) / 2) * (1 - np.abs(t) ** power)
    return _columns(x, y)


def closed(first: Points, second: Points) -> Points:
    """The polygon between two curves that run the same way."""
    return np.concatenate([first, second[::-1]])


def shifted(points: Points, right: float, down: float) -> Points:
    """Points (K, 2) or one point (2,), moved."""
    moved: Points = points + np.array([right, down])
    return moved


def ellipse(centre: tuple[float, float], radii: tuple[float, float], n: int = 24) -> Points:
    """A polygon of n corners on an ellipse."""
    corners: Points = _circle(n) * np.array(radii) + np.array(centre)
    return corners


def ribbon(curve: Points, widths: Points | float) -> Points:
    """The outline of a stroke along `curve` (K, 2); `widths` (K,) or one number, edge to edge.

    Several curves (S, K, 2) of the same widths give as many outlines (S, 2 * K, 2).
    """
    n, along = curve.shape[-2], np.empty_like(curve)
    np.subtract(curve[..., 2:, :], curve[..., :-2, :], out=along[..., 1:-1, :])
    np.subtract(curve[..., 1, :], curve[..., 0, :], out=along[..., 0, :])
    np.subtract(curve[..., -1, :], curve[..., -2, :], out=along[..., -1, :])
    length = np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-9)
    half = np.empty_like(curve)
    np.divide(-along[..., 1], length, out=half[..., 0])
    np.divide(along[..., 0], length, out=half[..., 1])
    half *= widths if isinstance(widths, float) else np.reshape(widths, (-1, 1))
    half /= 2
    outline = np.empty((*curve.shape[:-2], 2 * n, 2))
    np.add(curve, half, out=outline[..., :n, :])
    np.subtract(curve[..., ::-1, :], half[..., ::-1, :], out=outline[..., n:, :])
    return outline


def _columns(x: Points, y: Points) -> Points:
    """As `np.column_stack`, in a quarter of its time."""
    columns = np.empty((len(x), 2))
    columns[:, 0], columns[:, 1] = x, y
    return columns


class Projection:
    """Places points of the frontal face onto the picture plane of a turned head."""

    def __init__(self, pose: Pose) -> None:
        yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        rotation = tilt @ nod @ turn
        self._in_plane, self._forward = rotation[:, :2].T, rotation[:, 2]

    def __call__(self, points: Points, lift: float = 0.0) -> Points:
        """Points (K, 2) on the surface of the face, raised by `lift` face units -> (K, 2) on the picture plane."""
        x, y = points[:, 0] / _HEAD_RADII[0], points[:, 1] / _HEAD_RADII[1]
        depth = _HEAD_RADII[2] * np.sqrt(np.maximum(0.0, 1 - x**2 - y**2)) + lift
        return self.at_depth(points, depth)

    def each(self, curves: Sequence[Points], lift: float = 0.0) -> list[Points]:
        """Every one of some curves (K, 2), placed as by a call: many short ones take little longer than one."""
        placed, stops = self(np.concatenate(curves), lift), accumulate(map(len, curves))
        return [placed[stop - len(curve) : stop] for curve, stop in zip(curves, stops, strict=True)]

    def at_depth(self, points: Points, depth: Points | float) -> Points:
        """Points (K, 2) at a given depth, like the outline, the ears or the hair -> (K, 2)."""
        forward = (depth if isinstance(depth, float) else depth[:, None]) * self._forward
        turned = points @ self._in_plane + forward
        flat: Points = turned[:, :2] * (_EYE_DISTANCE / (_EYE_DISTANCE - turned[:, 2:]))
        return flat


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of `second` in `first`, share in [0, 1]."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def channels(image: Image.Image) -> Pixels:
    """The pixels as float32 in [0, 1], shape (H, W, channels), each channel in one piece in memory.

    Products with one number a pixel then take a third of the time: loops are as long as a row, not as three channels.
    """
    planes = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
    planes /= np.float32(255)
    return planes.transpose(1, 2, 0)


def to_bytes(picture: Pixels) -> npt.NDArray[np.uint8]:
    """Pixels in [0, 1], clipped to it, as bytes: shape (H, W, 3), in the order of an image file."""
    levels = np.clip(picture, 0.0, 1.0)
    levels *= 255
    levels += 0.5
    return np.ascontiguousarray(levels.astype(np.uint8))


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
        self._pen.polygon(self._pixels(points).ravel().tolist(), fill=(*colour, 255))

    def stroke(self, curve: Points, width: Points | float, colour: Colour) -> None:
        """A line with round ends; `width` in face units, one number or one for each point."""
        self.strokes(curve[None], width, colour)

    def strokes(self, curves: Points, width: Points | float, colour: Colour) -> None:
        """Lines (S, K, 2) with round ends, one after the other, each of the same widths."""
        ends = (width, width) if isinstance(width, float) else (float(width[0]), float(width[-1]))
        radii = [thickness * self.unit * self._supersample / 2 for thickness in ends]
        outlines, tips = self._pixels(ribbon(curves, width)), self._pixels(curves[:, [0, -1]])
        for outline, both in zip(outlines.reshape(len(curves), -1).tolist(), tips.tolist(), strict=True):
            self._pen.polygon(outline, fill=(*colour, 255))
            for (x, y), radius in zip(both, radii, strict=True):
                self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*colour, 255))

    def soft(self, shapes: Iterable[tuple[Points, float]], colour: Colour, blur: float) -> None:
        """Tint what is drawn so far inside polygons with a share in [0, 1] each, blurred by `blur` face units."""
        polygons = [(points * self.unit + self.centre, share) for points, share in shapes]
        corners = np.vstack([points for points, _ in polygons])
        margin = 3 * blur * self.unit + 1  # so that the whole blur fits
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
        """Colour (H, W, 3) and coverage (H, W, 1), float32 in [0, 1]; colour is already multiplied by coverage.

        Each channel lies in one piece in memory, as do those of what is computed from them.
        """
        values = channels(self._image.convert("RGBa").reduce(self._supersample))
        return values[..., :3], values[..., 3:]

    def _pixels(self, points: Points) -> Points:
        pixels = points * self.unit
        pixels += self.centre
        pixels *= self._supersample
        return pixels
