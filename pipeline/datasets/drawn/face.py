"""One whole face: outline, brows, eyes, nose, mouth, and the folds that its muscles make.

Action units and identity -> curves on the picture plane. Sides are -1 (the image's left) and +1. Every number here is
in face units (see `canvas`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.drawn.anatomy import ActionUnits, FaceSpec, Identity
from pipeline.datasets.drawn.canvas import Points, Projection, bow, closed, ellipse, even_steps, shifted, smooth

__all__ = [
    "Brow",
    "Eye",
    "Face",
    "Fold",
    "Mouth",
    "Nose",
    "brow",
    "eye",
    "face_of",
    "head_outline",
    "jaw_drop",
    "mouth",
    "nose",
]

EYE_LEVEL, MOUTH_LEVEL = -0.13, 0.56
_SHUT = 0.012  # what remains between closed lids


@dataclass(frozen=True)
class Brow:
    """`curve` runs from the inner to the outer end, shape (K, 2); `widths` (K,) tapers."""

    curve: Points
    widths: Points


def brow(units: ActionUnits, who: Identity, side: int, place: Projection) -> Brow:
    """One eyebrow, from its inner to its outer end."""
    rest = -0.42 - 0.03 * who.brow_height
    frown = units.au4 * (1 - 0.75 * units.au1)  # against the inner raiser, the lowerer mostly draws together
    alone = max(0.0, units.au1 - units.au2)
    together = 0.07 * units.au4 + 0.03 * units.au9
    inner = rest - 0.19 * units.au1 + 0.19 * frown + 0.08 * units.au9 + 0.025 * who.brow_tilt
    middle = rest - 0.03 - 0.05 * units.au1 - 0.16 * units.au2 + 0.11 * frown + 0.05 * units.au9
    outer = rest + 0.05 - 0.15 * units.au2 + 0.01 * frown + 0.05 * alone - 0.03 * who.brow_tilt
    ends = np.array([[0.16 - together, inner], [0.29, (inner + middle) / 2 - 0.01], [0.44, middle], [0.61, outer]])
    curve = place(smooth(ends * (side, 1)), lift=0.06)
    taper = 1 - 0.75 * ((even_steps(len(curve)) + 1) / 2) ** 1.5
    return Brow(curve, 0.075 * (1 + 0.4 * who.brow_weight) * taper)


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


def eye(units: ActionUnits, who: Identity, gaze: tuple[float, float], side: int, place: Projection) -> Eye:
    """One eye; `gaze` in [-1, 1] moves the iris right and down."""
    x = 0.37 + 0.03 * who.eye_spacing
    half = 0.2 * (1 + 0.12 * who.eye_size)
    t = even_steps(17)
    upper, lower = _lid_heights(units, who)
    axis = EYE_LEVEL - 0.03 * who.eye_tilt * t
    # A raised inner brow pulls the inner part of the upper lid up with it: the triangle of sadness.
    slant = 1 - 0.45 * max(0.0, units.au1 - units.au2) * t + 0.3 * units.au4 * (1 - units.au1) * t
    top = np.column_stack([(x + half * t) * side, axis - upper * (1 - t**2) ** 0.65 * slant])
    bottom = np.column_stack([(x + half * t) * side, np.maximum(axis + lower * (1 - t**2) ** 0.8, top[:, 1])])
    centre = (side * x + 0.06 * gaze[0], EYE_LEVEL - 0.01 + 0.03 * gaze[1])
    return Eye(
        upper=place(top),
        lower=place(bottom),
        iris=place(_between_lids(ellipse(centre, (0.094, 0.094)), top, bottom)),
        pupil=place(_between_lids(ellipse(centre, (0.046, 0.046)), top, bottom)),
        glint=place(_between_lids(ellipse((centre[0] - 0.03, centre[1] - 0.035), (0.02, 0.02), 10), top, bottom)),
        crease=place(shifted(top, 0, -0.045)),
    )


def _lid_heights(units: ActionUnits, who: Identity) -> tuple[float, float]:
    size = 1 + 0.2 * who.eye_size
    tense = 0.3 * units.au7 + 0.2 * units.au6 + 0.3 * units.au9 + 0.1 * units.au4
    upper = 0.112 * size * (1 + 0.75 * units.au5 - tense)
    lower = 0.075 * size * (1 + 0.15 * units.au5 - 0.5 * units.au7 - 1.0 * units.au6 - 0.3 * units.au9)
    return max((upper + lower) * (1 - units.au43), _SHUT) - lower, lower


def _between_lids(shape: Points, upper: Points, lower: Points) -> Points:
    order = np.argsort(upper[:, 0])
    x = np.clip(shape[:, 0], upper[order[0], 0], upper[order[-1], 0])
    lowest, highest = np.interp(x, upper[order, 0], lower[order, 1]), np.interp(x, upper[order, 0], upper[order, 1])
    return np.column_stack([x, np.clip(shape[:, 1], highest, lowest)])


@dataclass(frozen=True)
class Nose:
    """`bridge` runs down one side to the tip, `base` from wing to wing."""

    bridge: Points
    base: Points
    nostrils: tuple[Points, Points]
    tip: Points


def nose(units: ActionUnits, who: Identity, place: Projection) -> Nose:
    """The nose, seen from the side that its bridge is drawn on."""
    end = 0.25 + 0.05 * who.nose_length - 0.02 * units.au10
    wing = 0.14 * (1 + 0.2 * who.nose_width) + 0.03 * units.au9 + 0.015 * units.au12
    lifted = end - 0.075 * units.au9 - 0.03 * units.au10
    base = [(-wing, lifted - 0.08), (-wing, lifted), (-0.06, end + 0.015), (0, end + 0.04)]
    base += [(-x, y) for x, y in base[2::-1]]
    nostrils = tuple(place(ellipse((s * wing * 0.55, end - 0.02 * units.au9), (0.036, 0.02), 12), 0.1) for s in (-1, 1))
    return Nose(
        bridge=place(smooth([(0.1, -0.2), (0.075, -0.02), (0.08, end - 0.14), (0.04, end - 0.04)]), 0.12),
        base=place(smooth(base), 0.13),
        nostrils=(nostrils[0], nostrils[1]),
        tip=place(ellipse((0, end - 0.06), (0.075, 0.06), 16), 0.24),
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


def mouth(left: ActionUnits, right: ActionUnits, who: Identity, place: Projection) -> Mouth:
    """The mouth of a face whose halves may differ."""
    both = _mean(left, right)
    corners = _corner(left, who, -1), _corner(right, who, 1)
    top, bottom = _inner_lips(both, who)
    thin = (1 + 0.45 * who.lip_fullness) * (1 - 0.65 * both.au24) * (1 - 0.3 * both.au12) * (1 - 0.2 * both.au20)
    boxy = 2.0 + 1.6 * both.au20 + 0.8 * both.au10 * (1 - both.au9)
    inner_top = bow(*corners, top, power=2.0 + 1.0 * both.au12 * both.au25 + both.au20)
    inner_bottom = bow(*corners, bottom, power=boxy)
    outer_top = bow(*corners, top - 0.062 * thin, power=2.4)
    outer_top[:, 1] += 0.022 * thin * np.exp(-((even_steps(len(outer_top)) / 0.13) ** 2))
    outer_bottom = bow(*corners, bottom + 0.088 * thin * (1 + 0.25 * both.au17), power=boxy + 0.4)
    depth = inner_bottom[:, 1] - inner_top[:, 1]
    bared = 0.12 * (0.3 + 0.7 * max(both.au10, both.au12, both.au20))
    edge = inner_top[:, 1] + np.minimum(bared, 0.75 * depth)
    tongue = inner_top[:, 1] + np.maximum(depth - 0.12, 0.7 * depth)
    x = inner_top[:, 0]
    return Mouth(
        upper_lip=place(closed(outer_top, inner_top), 0.08),
        lower_lip=place(closed(inner_bottom, outer_bottom), 0.08),
        opening=place(closed(inner_top, inner_bottom), 0.06),
        teeth=place(closed(inner_top, np.column_stack([x, edge])), 0.06),
        tongue=place(closed(np.column_stack([x, tongue]), inner_bottom)[4:-4], 0.06),
        line=place((inner_top + inner_bottom) / 2, 0.08),
        gap=bottom - top,
    )


def _corner(units: ActionUnits, who: Identity, side: int) -> tuple[float, float]:
    stretch = 0.11 * units.au12 + 0.11 * units.au20 + 0.02 * units.au15
    gather = 0.07 * units.au24 + 0.13 * units.au26 * (1 - units.au12) + 0.03 * units.au17 + 0.03 * units.au10
    x = 0.3 * (1 + 0.12 * who.mouth_width) + stretch - gather
    sink = 0.155 * units.au15 + 0.05 * units.au20 + 0.07 * units.au26 + 0.03 * units.au10
    return side * x, MOUTH_LEVEL - 0.19 * units.au12 + sink - 0.02 * who.mouth_curve


def _inner_lips(units: ActionUnits, who: Identity) -> tuple[float, float]:
    """Heights of the two inner lips at the middle."""
    rest = MOUTH_LEVEL + 0.008 - 0.05 * units.au17 - 0.02 * units.au15 + 0.045 * units.au12
    parted = units.au25 * (1 - 0.5 * units.au24)
    top = rest - 0.03 * parted - 0.085 * units.au10 - 0.04 * units.au9 - 0.035 * units.au12 * parted
    bottom = rest + 0.09 * parted * (1 + 0.5 * units.au20 + 0.6 * units.au12) + 0.36 * units.au26 * max(parted, 0.15)
    pressed = 0.04 * units.au17 + 0.1 * units.au10 * (1 - parted)
    return top, max(bottom - pressed, top)


def _mean(left: ActionUnits, right: ActionUnits) -> ActionUnits:
    return type(left)(**{name: (value + getattr(right, name)) / 2 for name, value in vars(left).items()})


@dataclass(frozen=True)
class Fold:
    """A line or a bulge of the skin; `strength` in [0, 1] says how deep."""

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
    place: Projection


def face_of(spec: FaceSpec) -> Face:
    """The geometry of a spec; it is the same in every style."""
    who, place = spec.identity, Projection(spec.pose)
    left, right = spec.units.scaled(1 - spec.asymmetry), spec.units.scaled(1 + spec.asymmetry)
    return Face(
        outline=place.at_depth(head_outline(spec.units, who), 0.15),
        ears=(_ear(who, -1, place), _ear(who, 1, place)),
        neck=place.at_depth(np.array([[-0.42, 0.5], [0.42, 0.5], [0.46, 1.6], [-0.46, 1.6]]), -0.25),
        torso=place.at_depth(_TORSO, -0.3),
        brows=(brow(left, who, -1, place), brow(right, who, 1, place)),
        eyes=(eye(left, who, spec.pose.gaze, -1, place), eye(right, who, spec.pose.gaze, 1, place)),
        nose=nose(spec.units, who, place),
        mouth=mouth(left, right, who, place),
        folds=(
            *_half_folds(left, who, -1, place),
            *_half_folds(right, who, 1, place),
            *_middle_folds(spec.units, place),
        ),
        bulges=(*_half_bulges(left, -1, place), *_half_bulges(right, 1, place)),
        place=place,
    )


_FAINT = 0.06  # weaker folds are not drawn
_TORSO = np.array(
    [[-0.44, 1.3], [-1.35, 1.62], [-1.7, 2.1], [-1.8, 4.0], [1.8, 4.0], [1.7, 2.1], [1.35, 1.62], [0.44, 1.3]]
)


def jaw_drop(units: ActionUnits) -> float:
    """How far the chin sinks, in face units; with closed lips a jaw drops little."""
    return 0.26 * units.au26 * max(units.au25, 0.3)


def head_outline(units: ActionUnits, who: Identity) -> Points:
    """The frontal outline of the head, clockwise from the crown, shape (K, 2); a dropped jaw lengthens it."""
    width, jaw = 1 + 0.07 * who.face_width, 1 + 0.13 * who.jaw_width
    drop = jaw_drop(units)
    cheek = 0.03 * units.au12
    half = [
        (0.44 * width, -1.08),
        (0.72 * width, -0.74),
        (0.81 * width, -0.22),
        (0.77 * width + cheek, 0.24),
        (0.63 * width * jaw, 0.66 + 0.4 * drop),
        (0.37 * jaw, 0.97 + 0.06 * who.chin_length + 0.9 * drop),
    ]
    chin = (0.0, 1.08 + 0.08 * who.chin_length + drop - 0.02 * units.au17)
    return smooth([(0.0, -1.17), *half, chin, *((-x, y) for x, y in half[::-1])], loop=True)


def _ear(who: Identity, side: int, place: Projection) -> Points:
    x = 0.82 * (1 + 0.07 * who.face_width)
    return place.at_depth(ellipse((side * x, 0.0), (0.11, 0.2)), -0.15)


def _half_folds(units: ActionUnits, who: Identity, side: int, place: Projection) -> list[Fold]:
    """Cheek fold, bag under the eye, crow's feet, wrinkles beside the nose, dent at the mouth corner, brow furrow."""
    old = who.age
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
    seen = [(np.array(points) * (side, 1), strength) for points, strength in curves if strength > _FAINT]
    return [Fold(place(smooth(points), 0.05), strength) for points, strength in seen]


def _middle_folds(units: ActionUnits, place: Projection) -> list[Fold]:
    """Lines across the forehead, rising with the brows, and the crease over the chin."""
    inner, outer = 0.08 * units.au1, 0.08 * units.au2
    strength = max(0.9 * units.au1, 0.9 * units.au2) * (0.5 + 0.5 * max(units.au2, units.au4))
    lines = [
        smooth([(-0.45 * w, y - outer), (-0.2 * w, y - inner), (0.2 * w, y - inner), (0.45 * w, y - outer)])
        for y, w in ((-0.64, 1.0), (-0.75, 0.9))
    ]
    chin = shifted(smooth([(-0.17, 0.84), (-0.09, 0.79), (0.09, 0.79), (0.17, 0.84)]), 0, 0.2 * units.au26)
    return [*(Fold(place(line), strength) for line in lines), Fold(place(chin, 0.05), 0.8 * units.au17)]


def _half_bulges(units: ActionUnits, side: int, place: Projection) -> list[Fold]:
    """The cheek apple."""
    lift = 0.07 * max(units.au6, 0.6 * units.au12)
    apple = ellipse((side * 0.48, 0.25 - lift), (0.15, 0.11), 16)
    return [Fold(place(apple), 0.25 + 0.55 * max(units.au6, 0.8 * units.au12))]
