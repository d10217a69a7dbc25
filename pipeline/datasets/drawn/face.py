"""One whole face: its parts, the outline around them, and the folds that the muscles make.

Action units and person -> curves on the picture plane, in face units (see `canvas`). Sides are -1 (the image's left)
and +1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.drawn.anatomy import ActionUnits, FaceSpec, Person
from pipeline.datasets.drawn.canvas import Points, Projection, ellipse, shifted, smooth
from pipeline.datasets.drawn.face_parts import Brow, Eye, Mouth, Nose, brow, eye, mouth, nose

__all__ = ["Face", "Fold", "face_of", "head_outline", "jaw_drop"]

_FAINT = 0.06  # weaker folds are not drawn
_TORSO = np.array(
    [[-0.44, 1.3], [-1.35, 1.62], [-1.7, 2.1], [-1.8, 4.0], [1.8, 4.0], [1.7, 2.1], [1.35, 1.62], [0.44, 1.3]]
)


@dataclass(frozen=True)
class Fold:
    """A line or a bulge of the skin; `strength` in [0, 1] is its depth."""

    curve: Points
    strength: float


@dataclass(frozen=True)
class Face:
    """Shapes on the picture plane, in face units; pairs are (image left, image right)."""

    outline: Points
    ears: tuple[Points, Points]
    neck: Points
    torso: Points
    brows: tuple[Brow, Brow]
    eyes: tuple[Eye, Eye]
    nose: Nose
    mouth: Mouth
    folds: tuple[Fold, ...]
    bulges: tuple[Fold, ...]
    project: Projection


def face_of(spec: FaceSpec) -> Face:
    """The geometry of a spec; it is the same in every style."""
    person, project = spec.person, Projection(spec.pose)
    left, right = spec.units.scaled(1 - spec.asymmetry), spec.units.scaled(1 + spec.asymmetry)
    return Face(
        outline=project.at_depth(head_outline(spec.units, person), 0.15),
        ears=(_ear(person, -1, project), _ear(person, 1, project)),
        neck=project.at_depth(np.array([[-0.42, 0.5], [0.42, 0.5], [0.46, 1.6], [-0.46, 1.6]]), -0.25),
        torso=project.at_depth(_TORSO, -0.3),
        brows=(brow(left, person, -1, project), brow(right, person, 1, project)),
        eyes=(eye(left, person, spec.pose.gaze, -1, project), eye(right, person, spec.pose.gaze, 1, project)),
        nose=nose(spec.units, person, project),
        mouth=mouth(left, right, person, project),
        folds=(
            *_half_folds(left, person, -1, project),
            *_half_folds(right, person, 1, project),
            *_middle_folds(spec.units, project),
        ),
        bulges=(*_half_bulges(left, -1, project), *_half_bulges(right, 1, project)),
        project=project,
    )


def jaw_drop(units: ActionUnits) -> float:
    """How far the chin sinks, in face units; with closed lips a jaw drops little."""
    return 0.26 * units.au26 * max(units.au25, 0.3)


def head_outline(units: ActionUnits, person: Person) -> Points:
    """The frontal outline of the head, clockwise from the crown, shape (K, 2); a dropped jaw lengthens it."""
    width, jaw = 1 + 0.07 * person.face_width, 1 + 0.13 * person.jaw_width
    drop = jaw_drop(units)
    cheek = 0.03 * units.au12
    half = [
        (0.44 * width, -1.08),
        (0.72 * width, -0.74),
        (0.81 * width, -0.22),
        (0.77 * width + cheek, 0.24),
        (0.63 * width * jaw, 0.66 + 0.4 * drop),
        (0.37 * jaw, 0.97 + 0.06 * person.chin_length + 0.9 * drop),
    ]
    chin = (0.0, 1.08 + 0.08 * person.chin_length + drop - 0.02 * units.au17)
    return smooth([(0.0, -1.17), *half, chin, *((-x, y) for x, y in half[::-1])], loop=True)


def _ear(person: Person, side: int, project: Projection) -> Points:
    x = 0.82 * (1 + 0.07 * person.face_width)
    return project.at_depth(ellipse((side * x, 0.0), (0.11, 0.2)), -0.15)


def _half_folds(units: ActionUnits, person: Person, side: int, project: Projection) -> list[Fold]:
    """Cheek fold, bag under the eye, crow's feet, wrinkles beside the nose, dent at the mouth corner, brow furrow."""
    old = person.age
    x = 0.25 + 0.1 * units.au12 + 0.06 * units.au20
    cheek = [(0.17, 0.16 - 0.05 * units.au9), (0.29 + 0.05 * units.au12, 0.33), (x + 0.1, 0.5), (x + 0.09, 0.62)]
    corner = [(x + 0.02, 0.6), (x + 0.06, 0.68), (x + 0.06, 0.77)]
    curves = [
        (cheek, max(0.8 * units.au12, 0.9 * units.au10, 0.8 * units.au9, 0.35 * old)),
        (
            [(0.22, 0.03), (0.37, 0.075), (0.54, 0.01)],
            max(0.6 * units.au6, 0.5 * units.au7, 0.5 * units.au9, 0.5 * old - 0.1),
        ),
        ([(0.63, -0.17), (0.75, -0.25)], 0.7 * units.au6 * (0.4 + old)),
        ([(0.64, -0.11), (0.77, -0.12)], 0.7 * units.au6 * (0.4 + old)),
        ([(0.63, -0.06), (0.75, 0.0)], 0.7 * units.au6 * (0.4 + old)),
        ([(0.03, -0.12), (0.13, -0.17)], units.au9),
        ([(0.03, -0.05), (0.13, -0.09)], units.au9),
        ([(0.04, 0.02), (0.14, -0.01)], 0.8 * units.au9),
        (corner, max(0.8 * units.au15, 0.5 * units.au20)),
        (
            [(0.055, -0.26), (0.045, -0.36), (0.065, -0.47)],
            max(0.95 * units.au4 * (1 - 0.4 * units.au1), 0.3 * units.au9),
        ),
    ]
    visible = [(smooth(np.array(points) * (side, 1)), strength) for points, strength in curves if strength > _FAINT]
    if not visible:
        return []
    placed = project.each([curve for curve, _ in visible], 0.05)
    return [Fold(curve, strength) for curve, (_, strength) in zip(placed, visible, strict=True)]


def _middle_folds(units: ActionUnits, project: Projection) -> list[Fold]:
    """Lines across the forehead, rising with the brows, and the crease over the chin."""
    inner, outer = 0.08 * units.au1, 0.08 * units.au2
    strength = max(0.9 * units.au1, 0.9 * units.au2) * (0.5 + 0.5 * max(units.au2, units.au4))
    lines = [
        smooth([(-0.45 * w, y - outer), (-0.2 * w, y - inner), (0.2 * w, y - inner), (0.45 * w, y - outer)])
        for y, w in ((-0.64, 1.0), (-0.75, 0.9))
    ]
    chin = shifted(smooth([(-0.17, 0.84), (-0.09, 0.79), (0.09, 0.79), (0.17, 0.84)]), 0, 0.2 * units.au26)
    return [*(Fold(line, strength) for line in project.each(lines)), Fold(project(chin, 0.05), 0.8 * units.au17)]


def _half_bulges(units: ActionUnits, side: int, project: Projection) -> list[Fold]:
    """The cheek apple."""
    lift = 0.07 * max(units.au6, 0.6 * units.au12)
    apple = ellipse((side * 0.48, 0.25 - lift), (0.15, 0.11), 16)
    return [Fold(project(apple), 0.25 + 0.55 * max(units.au6, 0.8 * units.au12))]
