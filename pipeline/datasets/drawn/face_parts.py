"""The parts of a face that move: brows, eyes, nose, mouth.

Action units and person -> curves on the picture plane. Sides are -1 (the image's left) and +1. Every number here is
in face units (see `canvas`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.drawn.anatomy import ActionUnits, Person
from pipeline.datasets.drawn.canvas import Points, Projection, bow, closed, ellipse, even_steps, shifted, smooth

__all__ = ["Brow", "Eye", "Mouth", "Nose", "brow", "eye", "mouth", "nose"]

EYE_LEVEL, MOUTH_LEVEL = -0.13, 0.56
_SHUT = 0.012  # what remains between closed lids


@dataclass(frozen=True)
class Brow:
    """`curve` runs from the inner to the outer end, shape (K, 2); `widths` (K,) tapers."""

    curve: Points
    widths: Points


def brow(units: ActionUnits, person: Person, side: int, project: Projection) -> Brow:
    """One eyebrow, from its inner to its outer end."""
    rest = -0.42 - 0.03 * person.brow_height
    frown = units.au4 * (1 - 0.75 * units.au1)  # against the inner raiser, the lowerer mostly draws them together
    inner_only = max(0.0, units.au1 - units.au2)
    inward = 0.07 * units.au4 + 0.03 * units.au9
    inner = rest - 0.19 * units.au1 + 0.19 * frown + 0.08 * units.au9 + 0.025 * person.brow_tilt
    middle = rest - 0.03 - 0.05 * units.au1 - 0.16 * units.au2 + 0.11 * frown + 0.05 * units.au9
    outer = rest + 0.05 - 0.15 * units.au2 + 0.01 * frown + 0.05 * inner_only - 0.03 * person.brow_tilt
    ends = np.array([[0.16 - inward, inner], [0.29, (inner + middle) / 2 - 0.01], [0.44, middle], [0.61, outer]])
    curve = project(smooth(ends * (side, 1)), lift=0.06)
    taper = 1 - 0.75 * ((even_steps(len(curve)) + 1) / 2) ** 1.5
    return Brow(curve, 0.075 * (1 + 0.4 * person.brow_weight) * taper)


@dataclass(frozen=True)
class Eye:
    """Lids run from the inner to the outer corner; iris and pupil are already cut by the lids."""

    upper: Points
    lower: Points
    iris: Points
    pupil: Points
    glint: Points
    crease: Points

    @property
    def opening(self) -> Points:
        return closed(self.upper, self.lower)


def eye(units: ActionUnits, person: Person, gaze: tuple[float, float], side: int, project: Projection) -> Eye:
    """One eye; `gaze` in [-1, 1] moves the iris right and down."""
    x = 0.37 + 0.03 * person.eye_spacing
    half = 0.2 * (1 + 0.12 * person.eye_size)
    t = even_steps(17)
    upper, lower = _lid_heights(units, person)
    axis = EYE_LEVEL - 0.03 * person.eye_tilt * t
    # A raised inner brow pulls the inner part of the upper lid up with it: the triangle of sadness.
    slant = 1 - 0.45 * max(0.0, units.au1 - units.au2) * t + 0.3 * units.au4 * (1 - units.au1) * t
    top = np.column_stack([(x + half * t) * side, axis - upper * (1 - t**2) ** 0.65 * slant])
    bottom = np.column_stack([(x + half * t) * side, np.maximum(axis + lower * (1 - t**2) ** 0.8, top[:, 1])])
    centre = (side * x + 0.06 * gaze[0], EYE_LEVEL - 0.01 + 0.03 * gaze[1])
    glint = ellipse((centre[0] - 0.03, centre[1] - 0.035), (0.02, 0.02), 10)
    discs = _between_lids([ellipse(centre, (0.094, 0.094)), ellipse(centre, (0.046, 0.046)), glint], top, bottom)
    return Eye(*project.each([top, bottom, *discs, shifted(top, 0, -0.045)]))


def _lid_heights(units: ActionUnits, person: Person) -> tuple[float, float]:
    size = 1 + 0.2 * person.eye_size
    tense = 0.3 * units.au7 + 0.2 * units.au6 + 0.3 * units.au9 + 0.1 * units.au4
    upper = 0.112 * size * (1 + 0.75 * units.au5 - tense)
    lower = 0.075 * size * (1 + 0.15 * units.au5 - 0.5 * units.au7 - 1.0 * units.au6 - 0.3 * units.au9)
    return max((upper + lower) * (1 - units.au43), _SHUT) - lower, lower


def _between_lids(shapes: Sequence[Points], upper: Points, lower: Points) -> list[Points]:
    """What the lids leave of each shape."""
    order = np.argsort(upper[:, 0])
    points = np.concatenate(shapes)
    x = np.clip(points[:, 0], upper[order[0], 0], upper[order[-1], 0])
    lowest, highest = np.interp(x, upper[order, 0], lower[order, 1]), np.interp(x, upper[order, 0], upper[order, 1])
    visible = np.column_stack([x, np.clip(points[:, 1], highest, lowest)])
    return np.split(visible, np.cumsum([len(shape) for shape in shapes])[:-1])


@dataclass(frozen=True)
class Nose:
    """`bridge` runs down one side to the tip, `base` from wing to wing."""

    bridge: Points
    base: Points
    nostrils: tuple[Points, Points]
    tip: Points


def nose(units: ActionUnits, person: Person, project: Projection) -> Nose:
    """The nose, seen from the side that its bridge is drawn on."""
    end = 0.25 + 0.05 * person.nose_length - 0.02 * units.au10
    wing = 0.14 * (1 + 0.2 * person.nose_width) + 0.03 * units.au9 + 0.015 * units.au12
    lifted = end - 0.075 * units.au9 - 0.03 * units.au10
    base = [(-wing, lifted - 0.08), (-wing, lifted), (-0.06, end + 0.015), (0, end + 0.04)]
    base += [(-x, y) for x, y in base[2::-1]]
    nostrils = project.each(
        [ellipse((s * wing * 0.55, end - 0.02 * units.au9), (0.036, 0.02), 12) for s in (-1, 1)], 0.1
    )
    return Nose(
        bridge=project(smooth([(0.1, -0.2), (0.075, -0.02), (0.08, end - 0.14), (0.04, end - 0.04)]), 0.12),
        base=project(smooth(base), 0.13),
        nostrils=(nostrils[0], nostrils[1]),
        tip=project(ellipse((0, end - 0.06), (0.075, 0.06), 16), 0.24),
    )


@dataclass(frozen=True)
class Mouth:
    """Lips, and what shows between them; `line` is where they meet, from the image's left corner to its right."""

    upper_lip: Points
    lower_lip: Points
    opening: Points
    teeth: Points
    tongue: Points
    line: Points
    gap: float  # between the inner lips at the middle, face units


def mouth(left: ActionUnits, right: ActionUnits, person: Person, project: Projection) -> Mouth:
    """The mouth of a face whose halves may differ."""
    both = _mean(left, right)
    corners = _corner(left, person, -1), _corner(right, person, 1)
    top, bottom = _inner_lips(both)
    thin = (1 + 0.45 * person.lip_fullness) * (1 - 0.65 * both.au24) * (1 - 0.3 * both.au12) * (1 - 0.2 * both.au20)
    boxy = 2.0 + 1.6 * both.au20 + 0.8 * both.au10 * (1 - both.au9)
    inner_top = bow(*corners, top, power=2.0 + 1.0 * both.au12 * both.au25 + both.au20)
    inner_bottom = bow(*corners, bottom, power=boxy)
    outer_top = bow(*corners, top - 0.062 * thin, power=2.4)
    outer_top[:, 1] += 0.022 * thin * np.exp(-((even_steps(len(outer_top)) / 0.13) ** 2))
    outer_bottom = bow(*corners, bottom + 0.088 * thin * (1 + 0.25 * both.au17), power=boxy + 0.4)
    depth = inner_bottom[:, 1] - inner_top[:, 1]
    bared = 0.12 * (0.3 + 0.7 * max(both.au10, both.au12, both.au20))
    edge = inner_top[:, 1] + np.minimum(bared, 0.75 * depth)
    tongue_edge = inner_top[:, 1] + np.maximum(depth - 0.12, 0.7 * depth)
    x = inner_top[:, 0]
    lips = [closed(outer_top, inner_top), closed(inner_bottom, outer_bottom), (inner_top + inner_bottom) / 2]
    within = [
        closed(inner_top, inner_bottom),
        closed(inner_top, np.column_stack([x, edge])),
        closed(np.column_stack([x, tongue_edge]), inner_bottom)[4:-4],
    ]
    upper_lip, lower_lip, line = project.each(lips, 0.08)
    opening, teeth, tongue = project.each(within, 0.06)
    return Mouth(upper_lip, lower_lip, opening, teeth, tongue, line, gap=bottom - top)


def _corner(units: ActionUnits, person: Person, side: int) -> tuple[float, float]:
    stretch = 0.11 * units.au12 + 0.11 * units.au20 + 0.02 * units.au15
    gather = 0.07 * units.au24 + 0.13 * units.au26 * (1 - units.au12) + 0.03 * units.au17 + 0.03 * units.au10
    x = 0.3 * (1 + 0.12 * person.mouth_width) + stretch - gather
    sink = 0.155 * units.au15 + 0.05 * units.au20 + 0.07 * units.au26 + 0.03 * units.au10
    return side * x, MOUTH_LEVEL - 0.19 * units.au12 + sink - 0.02 * person.mouth_curve


def _inner_lips(units: ActionUnits) -> tuple[float, float]:
    """Heights of the two inner lips at the middle."""
    rest = MOUTH_LEVEL + 0.008 - 0.05 * units.au17 - 0.02 * units.au15 + 0.045 * units.au12
    parted = units.au25 * (1 - 0.5 * units.au24)
    top = rest - 0.03 * parted - 0.085 * units.au10 - 0.04 * units.au9 - 0.035 * units.au12 * parted
    bottom = rest + 0.09 * parted * (1 + 0.5 * units.au20 + 0.6 * units.au12) + 0.36 * units.au26 * max(parted, 0.15)
    pressed = 0.04 * units.au17 + 0.1 * units.au10 * (1 - parted)
    return top, max(bottom - pressed, top)


def _mean(left: ActionUnits, right: ActionUnits) -> ActionUnits:
    return type(left)(**{name: (value + getattr(right, name)) / 2 for name, value in vars(left).items()})
