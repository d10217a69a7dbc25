"""Five ways to draw the same people, as far apart as five datasets of the field.

sample-a is pen on paper, sample-b flat print, sample-c modelled clay under studio light, sample-d photo-like
(clutter, uneven light, defocus, grain), sample-e tightly cropped, grey and 48 pixels small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipeline.datasets.drawn.backgrounds_and_light import (
    clutter,
    flat_print,
    grain,
    lens_blur,
    modelling_light,
    paper,
    side_light,
    studio,
)
from pipeline.datasets.drawn.canvas import Canvas, Pixels, to_bytes
from pipeline.datasets.drawn.painter import Look
from pipeline.datasets.drawn.palettes import clay_colours, ink_colours, natural_colours, poster_colours
from pipeline.errors import ConfigError

__all__ = ["STYLES", "Style", "style_named", "to_pixels"]

Rng = np.random.Generator


@dataclass(frozen=True)
class Style:
    """How people and pictures of a style look.

    `size` is (width, height) in pixels; `unit` the share of the height that one face unit takes, `jitter` how far it
    and the centre vary. `yaw_spread` in degrees and `occluded` in [0, 1] describe the people; `develop` turns
    person and backdrop (drawn apart) into the picture.
    """

    size: tuple[int, int]
    unit: float
    centre: tuple[float, float]
    jitter: float
    supersample: int
    yaw_spread: float
    occluded: float
    look: Look
    develop: Callable[[Canvas, Rng], Pixels]
    grey: bool = False
    suffix: str = ".png"


def to_pixels(canvas: Canvas, scene: Style, rng: Rng) -> npt.NDArray[np.uint8]:
    """What is painted, as a picture of the style: uint8, shape (H, W, 3)."""
    picture = scene.develop(canvas, rng)
    if scene.grey:
        grey = np.ascontiguousarray(picture) @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32)
        picture = np.repeat(grey, 3, axis=2)
    return to_bytes(picture)


def style_named(name: str) -> Style:
    """Raises ConfigError, with the known styles, if there is none of that name."""
    if name not in _STYLES:
        raise ConfigError(f"sample style: expected one of {', '.join(_STYLES)}, found {name!r}")
    return _STYLES[name]


def _drawing(canvas: Canvas, rng: Rng) -> Pixels:
    person, cover = canvas.picture()
    drawn: Pixels = person + paper(canvas.size, rng) * (1 - cover)
    return drawn


def _print(canvas: Canvas, rng: Rng) -> Pixels:
    person, cover = canvas.picture()
    flat: Pixels = person + flat_print(canvas.size, rng) * (1 - cover)
    return flat


def _figure(canvas: Canvas, rng: Rng) -> Pixels:
    person, cover = canvas.picture()
    lit = np.minimum(modelling_light(person, canvas.centre, canvas.unit, rng), cover)
    figure: Pixels = lit + studio(canvas.size, rng) * (1 - cover)
    return figure


def _photo(canvas: Canvas, rng: Rng) -> Pixels:
    person, cover = canvas.picture()
    shaded = 0.35 * person + 0.65 * modelling_light(person, canvas.centre, 1.15 * canvas.unit, rng)
    scene = side_light(np.minimum(shaded, cover) + clutter(canvas.size, rng) * (1 - cover), rng, 0.45)
    return grain(lens_blur(scene, rng.uniform(0.6, 2.2)), rng, rng.uniform(0.01, 0.045), 0.03)


def _surveillance(canvas: Canvas, rng: Rng) -> Pixels:
    person, cover = canvas.picture()
    scene = side_light(person + clutter(canvas.size, rng) * (1 - cover), rng, 0.35)
    middle = np.ascontiguousarray(scene).mean(dtype=np.float64)  # sums depend on the order in memory
    toned = (scene - middle) * rng.uniform(0.9, 1.5) + rng.uniform(0.38, 0.6)
    return grain(toned.astype(np.float32), rng, 0.025, 0.0)


_STYLES = MappingProxyType(
    {
        "sample-a": Style(
            size=(128, 128),
            unit=0.31,
            centre=(0.5, 0.5),
            jitter=0.08,
            supersample=3,
            yaw_spread=9.0,
            occluded=0.08,
            look=Look(ink_colours, outline=0.03, strands=True, lash=0.04),
            develop=_drawing,
        ),
        "sample-b": Style(
            size=(100, 100),
            unit=0.285,
            centre=(0.5, 0.49),
            jitter=0.12,
            supersample=3,
            yaw_spread=11.0,
            occluded=0.1,
            look=Look(poster_colours, lash=0.035),
            develop=_print,
        ),
        "sample-c": Style(
            size=(143, 181),
            unit=0.27,
            centre=(0.5, 0.46),
            jitter=0.06,
            supersample=2,
            yaw_spread=12.0,
            occluded=0.08,
            look=Look(clay_colours, soft=True, relief=0.8),
            develop=_figure,
        ),
        "sample-d": Style(
            size=(176, 176),
            unit=0.33,
            centre=(0.5, 0.49),
            jitter=0.12,
            supersample=2,
            yaw_spread=15.0,
            occluded=0.16,
            look=Look(natural_colours, soft=True, relief=0.5, strands=True),
            develop=_photo,
            suffix=".jpg",
        ),
        "sample-e": Style(
            size=(48, 48),
            unit=0.4,
            centre=(0.5, 0.5),
            jitter=0.1,
            supersample=4,
            yaw_spread=12.0,
            occluded=0.1,
            look=Look(natural_colours, soft=True, relief=0.7),
            develop=_surveillance,
            grey=True,
        ),
    }
)
STYLES: tuple[str, ...] = tuple(_STYLES)
