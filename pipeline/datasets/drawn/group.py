"""Several drawn people in one picture: something to find faces in where there is no photograph at hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.datasets.drawn.canvas import Canvas
from pipeline.datasets.drawn.painter import paint
from pipeline.datasets.drawn.specs import IMAGES_PER_SUBJECT, FaceSpec, sample_specs
from pipeline.datasets.drawn.styles import finished, style_named
from pipeline.errors import ConfigError

__all__ = ["MOST_PEOPLE", "draw_group"]

MOST_PEOPLE = 100

# In face units: a head is about 1.6 wide and 2.3 high. Rows are so far apart that nobody hides another's mouth.
_APART, _ROWS_APART, _ABOVE, _BELOW, _BESIDE = 2.5, 2.6, 1.75, 2.0, 0.6
_STRAY = 0.12  # of places, face units
_WIDER_THAN_HIGH = 1.6


def draw_group(style: str, n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """`n` people of a style in rows, the hindmost first, each with an expression and nothing before the face.

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
    if not 1 <= n <= MOST_PEOPLE:
        raise ConfigError(f"group: expected 1 to {MOST_PEOPLE} people, found {n}")
    scene = style_named(style)
    people = _people(style, n, seed)
    unit = scene.unit * scene.size[1]
    places, size = _places(n, np.random.default_rng(seed))
    width, height = (math.ceil(unit * side) for side in size)
    canvas = Canvas((width, height), unit, (0.0, 0.0), scene.supersample)
    for spec, place in zip(people, places, strict=True):
        canvas.centre = (float(place[0] * unit), float(place[1] * unit))
        paint(spec, canvas, scene.look, np.random.default_rng(spec.seed))
    # Light and shade are those of one large ball: everybody stands in the same light.
    canvas.unit, canvas.centre = float(max(width, height)), (width / 2, height / 2)
    return finished(canvas, scene, np.random.default_rng(people[0].seed))


def _people(style: str, n: int, seed: int) -> list[FaceSpec]:
    """One picture of each of the first `n` people of a style."""
    specs = sample_specs(style, n * IMAGES_PER_SUBJECT, seed)
    shown = [specs[person * IMAGES_PER_SUBJECT + person % IMAGES_PER_SUBJECT] for person in range(n)]
    return [replace(spec, occlusion="none") for spec in shown]


def _places(n: int, rng: np.random.Generator) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Where the faces' middles are, back rows first, and the size (width, height) of the picture; in face units."""
    n_rows = max(1, round(math.sqrt(n / _WIDER_THAN_HIGH)))
    rows = [n // n_rows + (row >= n_rows - n % n_rows) for row in range(n_rows)]  # the longer ones in front
    width = _APART * (rows[-1] + (0.5 if n_rows > 1 else 0.0)) + _BESIDE
    places = []
    for row, people in enumerate(rows):
        between = _APART / 4 * (-1) ** row if n_rows > 1 else 0.0  # behind the gaps of the row before them
        for i in range(people):
            stray_x, stray_y = rng.uniform(-_STRAY, _STRAY, 2).tolist()
            x = width / 2 + (i - (people - 1) / 2) * _APART + between
            places.append((x + stray_x, _ABOVE + row * _ROWS_APART + stray_y))
    return places, (width, _ABOVE + (n_rows - 1) * _ROWS_APART + _BELOW)
