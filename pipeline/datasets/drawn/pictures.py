"""Pictures of a style: which people it draws, one face, a sheet of all expressions, several people in one picture.

There is one `FaceSpec` per image, dealt so that image i does not depend on how many are asked for. Five successive
images show one person, and ten successive people fill the splits 7 : 1 : 2. Labels are dealt from decks of 40 cards,
one pile of decks per split, whose counts are as uneven as those of the field's datasets.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.datasets.drawn.anatomy import (
    OCCLUSIONS,
    FaceSpec,
    draw_intensity,
    draw_person,
    draw_pose,
    draw_units,
)
from pipeline.datasets.drawn.canvas import Canvas
from pipeline.datasets.drawn.painter import paint
from pipeline.datasets.drawn.styles import Style, style_named, to_pixels
from pipeline.errors import ConfigError
from pipeline.tables.labels import expressions

__all__ = [
    "MOST_PEOPLE",
    "SPLIT_CYCLE",
    "draw_contact_sheet",
    "draw_face",
    "draw_group",
    "generator",
    "group_specs",
    "placed",
    "sample_specs",
]

_IMAGES_PER_SUBJECT = 5
SPLIT_CYCLE = ("train", "val", "test", "train", "train", "train", "test", "train", "train", "train")
_DECK = {"happiness": 12, "neutral": 10, "sadness": 6, "surprise": 5, "anger": 3, "disgust": 2, "fear": 2}
_RAREST_OF_400 = 20  # images of the rarest expression among 400

MOST_PEOPLE = 100

# In face units: a head is about 1.6 wide and 2.3 high. Rows are so far apart that no face covers another's mouth.
_SPACING, _ROW_SPACING, _ABOVE, _BELOW, _MARGIN = 2.5, 2.6, 1.75, 2.0, 0.6
_JITTER = 0.12  # of positions, face units
_WIDER_THAN_HIGH = 1.6


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
    person = index // _IMAGES_PER_SUBJECT
    letter, split = style[-1], SPLIT_CYCLE[person % len(SPLIT_CYCLE)]
    label = _label(style, index, seed)
    rng = generator(seed, style, "image", index)
    intensity = draw_intensity(label, rng)
    return FaceSpec(
        id=f"{letter}{index:05d}",
        label=label,
        split=split,
        subject=f"{letter}-{person:04d}",
        intensity=intensity,
        units=draw_units(label, intensity, rng),
        person=draw_person(generator(seed, style, "subject", person)),
        pose=draw_pose(yaw_spread, rng),
        asymmetry=float(np.clip(rng.normal(0.0, 0.1), -0.25, 0.25)),
        occlusion=str(rng.choice(OCCLUSIONS[1:])) if rng.random() < occluded else "none",
        seed=int(rng.integers(2**31)),
    )


def _label(style: str, index: int, seed: int) -> str:
    person, image = divmod(index, _IMAGES_PER_SUBJECT)
    cycle, position = divmod(person, len(SPLIT_CYCLE))
    split = SPLIT_CYCLE[position]
    earlier = cycle * Counter(SPLIT_CYCLE)[split] + SPLIT_CYCLE[:position].count(split)
    deck, card = divmod(earlier * _IMAGES_PER_SUBJECT + image, sum(_DECK.values()))
    return _shuffled_deck(seed, style, split, deck)[card]


@lru_cache(maxsize=64)
def _shuffled_deck(seed: int, style: str, split: str, deck: int) -> tuple[str, ...]:
    """The first deck of a split opens with one card of each expression, so that small samples miss none."""
    rng = generator(seed, style, split, deck)
    opening = list(_DECK) if deck == 0 else []
    rest = list((Counter(_DECK) - Counter(opening)).elements())
    return tuple(np.concatenate([rng.permutation(opening), rng.permutation(rest)]).tolist())


def generator(seed: int, style: str, what: str, number: int) -> np.random.Generator:
    """A generator of its own for every image, person and deck; stable across processes and machines."""
    digest = hashlib.sha256(f"{seed}/{style}/{what}/{number}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def draw_face(spec: FaceSpec, style: str) -> npt.NDArray[np.uint8]:
    """The picture of `spec` in a style: uint8, shape (H, W, 3). Any style can draw any spec.

    Raises
    ------
    ConfigError
        If the style is unknown.
    """
    scene = style_named(style)
    rng = np.random.default_rng(spec.seed)
    canvas = placed(scene, rng)
    paint(spec, canvas, scene.look, rng)
    return to_pixels(canvas, scene, rng)


def placed(scene: Style, rng: np.random.Generator) -> Canvas:
    """An empty canvas of the style, with the place and the size of the head at random."""
    width, height = scene.size
    zoom = scene.unit * (1 + scene.jitter * rng.uniform(-1, 1))
    x, y = np.array(scene.centre) + 0.5 * scene.jitter * rng.uniform(-1, 1, 2)
    return Canvas(scene.size, zoom * height, (x * width, y * height), scene.supersample)


def draw_contact_sheet(style: str, columns: int = 10, seed: int = 0) -> npt.NDArray[np.uint8]:
    """One row for each of the seven expressions, in canonical order: uint8, shape (7 * H, columns * W, 3).

    Raises
    ------
    ConfigError
        If the style is unknown or columns < 1.
    """
    if columns < 1:
        raise ConfigError(f"columns: expected at least 1, found {columns}")
    specs = sample_specs(style, 400 * math.ceil(columns / _RAREST_OF_400), seed)
    rows = [[spec for spec in specs if spec.label == label][:columns] for label in expressions(7)]
    return np.concatenate([np.concatenate([draw_face(spec, style) for spec in row], axis=1) for row in rows])


def draw_group(style: str, n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """`n` people of a style in rows, the back row first, each with an expression and no occlusion.

    Parameters
    ----------
    style : one of `STYLES`
    n : of people, in [1, 100]
    seed : another seed draws other people; the same one gives the same pixels

    Returns
    -------
    uint8, shape (H, W, 3); faces as large as in the style's own pictures

    Raises
    ------
    ConfigError
        If the style is unknown or n is out of range.
    """
    people, scene = group_specs(style, n, seed), style_named(style)
    unit = scene.unit * scene.size[1]
    positions, size = _positions(n, np.random.default_rng(seed))
    width, height = (math.ceil(unit * side) for side in size)
    canvas = Canvas((width, height), unit, (0.0, 0.0), scene.supersample)
    for spec, position in zip(people, positions, strict=True):
        canvas.centre = (float(position[0] * unit), float(position[1] * unit))
        paint(spec, canvas, scene.look, np.random.default_rng(spec.seed))
    # Light and shade are those of one large ball: the light is the same for all people.
    canvas.unit, canvas.centre = float(max(width, height)), (width / 2, height / 2)
    return to_pixels(canvas, scene, np.random.default_rng(people[0].seed))


def group_specs(style: str, n: int, seed: int = 0) -> list[FaceSpec]:
    """The people of a group, the back row first; raises as `draw_group` does."""
    if not 1 <= n <= MOST_PEOPLE:
        raise ConfigError(f"group: expected 1 to {MOST_PEOPLE} people, found {n}")
    specs = sample_specs(style, n * _IMAGES_PER_SUBJECT, seed)
    chosen = [specs[person * _IMAGES_PER_SUBJECT + person % _IMAGES_PER_SUBJECT] for person in range(n)]
    return [replace(spec, occlusion="none") for spec in chosen]


def _positions(n: int, rng: np.random.Generator) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Where the faces' middles are, back rows first, and the size (width, height) of the picture; in face units."""
    n_rows = max(1, round(math.sqrt(n / _WIDER_THAN_HIGH)))
    rows = [n // n_rows + (row >= n_rows - n % n_rows) for row in range(n_rows)]  # the longer ones in front
    width = _SPACING * (rows[-1] + (0.5 if n_rows > 1 else 0.0)) + _MARGIN
    positions = []
    for row, people in enumerate(rows):
        between = _SPACING / 4 * (-1) ** row if n_rows > 1 else 0.0  # behind the gaps of the row before them
        for i in range(people):
            jitter_x, jitter_y = rng.uniform(-_JITTER, _JITTER, 2).tolist()
            x = width / 2 + (i - (people - 1) / 2) * _SPACING + between
            positions.append((x + jitter_x, _ABOVE + row * _ROW_SPACING + jitter_y))
    return positions, (width, _ABOVE + (n_rows - 1) * _ROW_SPACING + _BELOW)
