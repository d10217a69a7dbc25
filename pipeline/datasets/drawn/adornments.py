"""What covers parts of a face: beard, glasses, scarf, hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.drawn.curves import Points, Projection, closed, ellipse, ribbon, shifted, smooth
from pipeline.datasets.drawn.face import Face, head_outline, jaw_drop

if TYPE_CHECKING:
    from pipeline.datasets.drawn.anatomy import ActionUnits, Identity

__all__ = ["Beard", "Glasses", "beard", "glasses", "hand", "scarf"]


@dataclass(frozen=True)
class Beard:
    """`jaw` and `lip` are polygons or None; `dense` is False for stubble."""

    jaw: Points | None
    lip: Points | None
    dense: bool


def beard(face: Face, units: ActionUnits, who: Identity) -> Beard:
    """What grows on cheeks, chin and lip; it moves with the mouth."""
    kind, mouth = who.beard, face.mouth
    jaw = _jaw_hair(units, who, face.place) if kind in ("full", "stubble") else None
    if kind == "goatee":
        drop = jaw_drop(units)
        chin = [(-0.17, 0.8 + drop), (0.17, 0.8 + drop), (0.2, 0.98 + drop), (0.0, 1.13 + drop), (-0.2, 0.98 + drop)]
        jaw = face.place(smooth(chin, loop=True), 0.05)
    lip = None
    if kind in ("full", "moustache", "goatee"):
        edge = mouth.upper_lip[: len(mouth.upper_lip) // 2]
        thickness = 0.11 * np.sin(np.linspace(0.12, np.pi - 0.12, len(edge))) ** 0.6
        lip = ribbon(shifted(edge, 0, -0.045), thickness)
    return Beard(jaw, lip, dense=kind != "stubble")


def _jaw_hair(units: ActionUnits, who: Identity, place: Projection) -> Points:
    outline = head_outline(units, who)
    low = outline[outline[:, 1] > 0.1]  # clockwise: from the image's right over the chin to the left
    drop = jaw_drop(units)
    half = [(0.7, 0.12), (0.58, 0.38), (0.46, 0.54), (0.38, 0.68 + 0.5 * drop), (0.2, 0.76 + drop)]
    inner = smooth([*half, (0.0, 0.77 + drop), *((-x, y) for x, y in half[::-1])])
    return closed(place.at_depth(low, 0.15), place(inner))


@dataclass(frozen=True)
class Glasses:
    lenses: tuple[Points, Points]
    bridge: Points
    temples: tuple[Points, Points]


def glasses(who: Identity, place: Projection, large: bool = False) -> Glasses:
    """Reading glasses, or `large` ones that hide the eyes."""
    x, radii = 0.39 + 0.03 * who.eye_spacing, (0.31, 0.25) if large else (0.27, 0.21)
    lenses = [place(ellipse((s * x, -0.11), radii), 0.15) for s in (-1, 1)]
    temples = [
        place.at_depth(np.array([[s * (x + radii[0]), -0.14], [s * 0.86, -0.12]]), np.array([0.45, -0.1]))
        for s in (-1, 1)
    ]
    bridge = place(smooth([(radii[0] - x, -0.13), (0.0, -0.17), (x - radii[0], -0.13)]), 0.2)
    return Glasses((lenses[0], lenses[1]), bridge, (temples[0], temples[1]))


def scarf(place: Projection, rng: np.random.Generator) -> tuple[Points, tuple[Points, ...]]:
    """A scarf over chin and, at times, mouth: its polygon and the lines of its folds."""
    top = rng.uniform(0.38, 0.72)
    tilt = rng.uniform(-0.08, 0.08)
    edge = smooth(
        [(-0.8, top - 0.12 + tilt), (-0.4, top + 0.03), (0.1, top), (0.5, top + 0.02), (0.8, top - 0.14 - tilt)]
    )
    hem = smooth([(-0.74, 1.1), (-0.6, 1.42), (0.0, 1.52), (0.6, 1.42), (0.74, 1.1)])
    folds = [smooth([(-0.74, y), (0.0, y + 0.14), (0.74, y - 0.06)]) for y in (top + 0.2, top + 0.42)]
    return place.at_depth(closed(edge, hem), 0.5), tuple(place.at_depth(fold, 0.5) for fold in folds)


def hand(place: Projection, rng: np.random.Generator) -> tuple[Points, tuple[Points, ...]]:
    """A hand on one cheek, or before the mouth: the palm, and one polygon for each finger."""
    side = rng.choice((-1.0, 1.0))
    wrist = np.array([side * rng.uniform(0.35, 0.75), rng.uniform(0.75, 1.0)])
    lean = -side * rng.uniform(0.0, 0.7)
    palm = np.vstack(
        [ellipse((0.0, 0.0), (0.3, 0.32), 20)[10:], [[0.26, 0.2], [0.24, 1.6], [-0.24, 1.6], [-0.26, 0.2]]]
    )
    fingers = [np.array([[x, -0.1], [x * 1.25, -0.5 - reach], [x * 1.3, -0.62 - reach]]) for x, reach in _FINGERS]
    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    return place.at_depth(palm @ turn.T + wrist, 0.8), tuple(place.at_depth(f @ turn.T + wrist, 0.82) for f in fingers)


_FINGERS = ((-0.23, -0.02), (-0.08, 0.07), (0.08, 0.06), (0.22, -0.05))
