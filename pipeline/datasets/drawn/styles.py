"""Five ways to draw the same people, as far apart as five datasets of the field; and which people each style draws.

sample-a is pen on paper, sample-b flat print, sample-c modelled clay under studio light, sample-d photo-like
(clutter, uneven light, defocus, grain), sample-e tightly cropped, grey and 48 pixels small.

There is one `FaceSpec` per image, dealt so that image i does not depend on how many are asked for. Five successive
images show one person, and ten successive people fill the splits 7 : 1 : 2. Labels are dealt from decks of 40 cards,
one pile of decks per split, whose counts are as uneven as those of the field's datasets.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipeline.datasets.drawn.anatomy import (
    OCCLUSIONS,
    FaceSpec,
    draw_identity,
    draw_intensity,
    draw_pose,
    draw_units,
)
from pipeline.datasets.drawn.canvas import Canvas, Pixels
from pipeline.datasets.drawn.colours_and_light import (
    clay_colours,
    clutter,
    flat_print,
    grain,
    ink_colours,
    lens_blur,
    modelling_light,
    natural_colours,
    paper,
    poster_colours,
    side_light,
    studio,
)
from pipeline.datasets.drawn.painter import Look, paint
from pipeline.errors import ConfigError

__all__ = ["IMAGES_PER_SUBJECT", "STYLES", "Style", "draw_face", "finished", "sample_specs", "style_named"]

Rng = np.random.Generator


@dataclass(frozen=True)
class Style:
    """A look with its framing and its habits.

    `size` is (width, height) in pixels; `unit` the share of the height that one face unit takes, `jitter` how far it
    and the centre stray. `yaw_spread` in degrees and `occluded` in [0, 1] describe the people; `develop` turns
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


def draw_face(spec: FaceSpec, style: str) -> npt.NDArray[np.uint8]:
    """The picture of `spec` in a style: uint8, shape (H, W, 3). Any style can draw any spec.

    Raises
    ------
    ConfigError
        If the style is unknown.
    """
    scene = style_named(style)
    rng = np.random.default_rng(spec.seed)
    canvas = _frame(scene, rng)
    paint(spec, canvas, scene.look, rng)
    return finished(canvas, scene, rng)


def finished(canvas: Canvas, scene: Style, rng: Rng) -> npt.NDArray[np.uint8]:
    """What is painted, as a picture of the style: uint8, shape (H, W, 3)."""
    picture = scene.develop(canvas, rng)
    if scene.grey:
        picture = np.repeat(picture @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32), 3, axis=2)
    return (np.clip(picture, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def style_named(name: str) -> Style:
    """Raises ConfigError, with the known styles, if there is none of that name."""
    if name not in _STYLES:
        raise ConfigError(f"sample style: expected one of {', '.join(_STYLES)}, found {name!r}")
    return _STYLES[name]


def _frame(scene: Style, rng: Rng) -> Canvas:
    width, height = scene.size
    zoom = scene.unit * (1 + scene.jitter * rng.uniform(-1, 1))
    x, y = np.array(scene.centre) + 0.5 * scene.jitter * rng.uniform(-1, 1, 2)
    return Canvas(scene.size, zoom * height, (x * width, y * height), scene.supersample)


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
    middle = scene.mean(dtype=np.float64)
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


IMAGES_PER_SUBJECT = 5
_SPLIT_CYCLE = ("train", "val", "test", "train", "train", "train", "test", "train", "train", "train")
_DECK = {"happiness": 12, "neutral": 10, "sadness": 6, "surprise": 5, "anger": 3, "disgust": 2, "fear": 2}


def sample_specs(style: str, n: int = 400, seed: int = 0) -> list[FaceSpec]:
    """The first `n` images of a style. From n = 60 on, every split shows every expression.

    Parameters
    ----------
    style : one of `STYLES`
    n : int >= 1
    seed : another seed gives other people, with the same splits and counts

    Raises
    ------
    ConfigError
        If the style is unknown or n < 1.
    """
    if n < 1:
        raise ConfigError(f"n: expected at least one image of {style}, found {n}")
    scene = style_named(style)
    return [_spec(style, index, seed, scene.yaw_spread, scene.occluded) for index in range(n)]


def _spec(style: str, index: int, seed: int, yaw_spread: float, occluded: float) -> FaceSpec:
    person = index // IMAGES_PER_SUBJECT
    letter, split = style[-1], _SPLIT_CYCLE[person % len(_SPLIT_CYCLE)]
    label = _label(style, index, seed)
    rng = _rng(seed, style, "image", index)
    intensity = draw_intensity(label, rng)
    return FaceSpec(
        id=f"{letter}{index:05d}",
        label=label,
        split=split,
        subject=f"{letter}-{person:04d}",
        intensity=intensity,
        units=draw_units(label, intensity, rng),
        identity=draw_identity(_rng(seed, style, "subject", person)),
        pose=draw_pose(yaw_spread, rng),
        asymmetry=float(np.clip(rng.normal(0.0, 0.1), -0.25, 0.25)),
        occlusion=str(rng.choice(OCCLUSIONS[1:])) if rng.random() < occluded else "none",
        seed=int(rng.integers(2**31)),
    )


def _label(style: str, index: int, seed: int) -> str:
    person, image = divmod(index, IMAGES_PER_SUBJECT)
    cycle, place = divmod(person, len(_SPLIT_CYCLE))
    split = _SPLIT_CYCLE[place]
    earlier = cycle * Counter(_SPLIT_CYCLE)[split] + _SPLIT_CYCLE[:place].count(split)
    deck, card = divmod(earlier * IMAGES_PER_SUBJECT + image, sum(_DECK.values()))
    return _shuffled_deck(seed, style, split, deck)[card]


@lru_cache(maxsize=64)
def _shuffled_deck(seed: int, style: str, split: str, deck: int) -> tuple[str, ...]:
    """The first deck of a split opens with one card of each expression, so that small samples miss none."""
    rng = _rng(seed, style, split, deck)
    opening = list(_DECK) if deck == 0 else []
    rest = list((Counter(_DECK) - Counter(opening)).elements())
    return tuple(np.concatenate([rng.permutation(opening), rng.permutation(rest)]).tolist())


def _rng(seed: int, style: str, what: str, number: int) -> np.random.Generator:
    """A generator of its own for every image, person and deck; stable across processes and machines."""
    digest = hashlib.sha256(f"{seed}/{style}/{what}/{number}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
