"""What covers a head and parts of a face: hair, beard, glasses, scarf, hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from pipeline.datasets.drawn.anatomy import ActionUnits, Person
from pipeline.datasets.drawn.canvas import Points, Projection, closed, ellipse, ribbon, shifted, smooth
from pipeline.datasets.drawn.face import Face, head_outline, jaw_drop

__all__ = ["Beard", "Glasses", "Hair", "beard", "glasses", "hair", "hand", "scarf"]

_Polyline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Hair:
    """Polygons behind the face and on the skull, and strands, shape (S, K, 2); each may be empty."""

    back: tuple[Points, ...] = ()
    front: tuple[Points, ...] = ()
    strands: Points = field(default_factory=lambda: np.empty((0, _STRAND_POINTS, 2)))


@dataclass(frozen=True)
class _Cut:
    """`hairline` runs from the image's left temple to the right one; `volume` is a share of the skull's radius.

    `back` is the right half of what hangs behind the head, from the crown down.
    """

    hairline: _Polyline
    volume: float
    back: _Polyline = ()


def _mirrored(half: _Polyline) -> _Polyline:
    """A symmetrical hairline from its right half, which starts at the middle."""
    return (*((-x, y) for x, y in half[:0:-1]), *half)


_BOB: _Polyline = ((0.0, -1.2), (0.75, -1.0), (0.98, -0.3), (1.0, 0.4), (0.85, 0.78), (0.4, 0.85))
_LONG: _Polyline = ((0.0, -1.2), (0.75, -1.0), (0.98, -0.3), (1.02, 0.6), (1.1, 1.4), (0.9, 1.95), (0.3, 2.0))
_CURLS: _Polyline = ((0.0, -1.3), (0.7, -1.15), (1.05, -0.5), (1.02, 0.1), (0.8, 0.3))
_PARTING: _Polyline = (
    *((-0.74, -0.3), (-0.4, -0.68), (0.0, -0.8)),
    *((0.28, -1.02), (0.42, -0.84), (0.62, -0.66), (0.76, -0.3)),
)
_CURTAIN: _Polyline = (
    *((-0.78, 0.2), (-0.7, -0.35), (-0.4, -0.7), (0.0, -0.9)),
    *((0.15, -1.0), (0.4, -0.76), (0.68, -0.4), (0.78, 0.2)),
)
_CUTS: Mapping[str, _Cut] = MappingProxyType(
    {
        "cropped": _Cut(_mirrored(((0.0, -0.82), (0.3, -0.84), (0.58, -0.7), (0.72, -0.3))), 0.05),
        "parted": _Cut(_PARTING, 0.1),
        "fringe": _Cut(_mirrored(((0.0, -0.62), (0.2, -0.66), (0.45, -0.6), (0.74, -0.3))), 0.09),
        "bob": _Cut(_mirrored(((0.0, -0.98), (0.3, -0.8), (0.62, -0.55), (0.74, -0.1))), 0.12, _BOB),
        "long": _Cut(_CURTAIN, 0.1, _LONG),
        "curly": _Cut(_mirrored(((0.0, -0.78), (0.3, -0.8), (0.58, -0.66), (0.76, -0.25))), 0.22, _CURLS),
        "bun": _Cut(_mirrored(((0.0, -0.96), (0.35, -0.9), (0.62, -0.68), (0.74, -0.25))), 0.05),
    }
)
_BUN = ellipse((0.0, -1.3), (0.32, 0.27))
_CURL_SIZE = 0.035
_STRAND_POINTS = 9
_FINGERS = ((-0.23, -0.02), (-0.08, 0.07), (0.08, 0.06), (0.22, -0.05))  # of a hand: x, and additional length


def hair(person: Person, project: Projection) -> Hair:
    """The hair of a person; empty for the bald."""
    if person.haircut == "bald":
        return Hair()
    cut = _CUTS[person.haircut]
    line = smooth(cut.hairline)
    edge = _skull_edge(person, line, cut.volume)
    if person.haircut == "curly":
        edge += np.random.default_rng(person.seed).normal(0.0, _CURL_SIZE, edge.shape)
    # Flatter than the face, so that the far temple of a turned head stays inside its outline.
    depth = 0.5 * np.maximum(0.0, 1 - (line[:, 0] / 0.8) ** 2)
    outer, inner = project.at_depth(edge, 0.0), project.at_depth(line, depth)
    share = np.linspace(0, 1, _STRAND_POINTS)[:, None, None]
    runs = outer * (1 - share) + inner * share  # (points, strands, 2): from the edge down to the hairline
    strands = np.ascontiguousarray(runs[:, 1:-1].transpose(1, 0, 2))
    back = tuple(project.at_depth(shape, -0.3) for shape in _behind(person.haircut, cut))
    return Hair(back, (closed(outer, inner),), strands)


def _skull_edge(person: Person, line: Points, volume: float) -> Points:
    """The upper edge of the hair, with as many points as the hairline below it."""
    a, b, middle = 0.82 * (1 + 0.07 * person.face_width), 0.95, -0.22
    start = np.arctan2((line[0, 1] - middle) / b, line[0, 0] / a) % (2 * np.pi)
    end = np.arctan2((line[-1, 1] - middle) / b, line[-1, 0] / a) + 2 * np.pi
    angle = np.linspace(start, end, len(line))
    swell = 1 + volume * np.sin(np.linspace(0.15, np.pi - 0.15, len(line))) ** 0.5
    return np.column_stack([a * swell * np.cos(angle), middle + b * swell * np.sin(angle)])


def _behind(haircut: str, cut: _Cut) -> list[Points]:
    if haircut == "bun":
        return [_BUN]
    return [smooth([*cut.back, *((-x, y) for x, y in cut.back[:0:-1])], loop=True)] if cut.back else []


@dataclass(frozen=True)
class Beard:
    """`jaw` and `lip` are polygons or None; `dense` is False for stubble."""

    jaw: Points | None
    lip: Points | None
    dense: bool


def beard(face: Face, units: ActionUnits, person: Person) -> Beard:
    """What grows on cheeks, chin and lip; it moves with the mouth."""
    kind, mouth = person.beard, face.mouth
    jaw = _jaw_hair(units, person, face.project) if kind in ("full", "stubble") else None
    if kind == "goatee":
        drop = jaw_drop(units)
        chin = [(-0.17, 0.8 + drop), (0.17, 0.8 + drop), (0.2, 0.98 + drop), (0.0, 1.13 + drop), (-0.2, 0.98 + drop)]
        jaw = face.project(smooth(chin, loop=True), 0.05)
    lip = None
    if kind in ("full", "moustache", "goatee"):
        edge = mouth.upper_lip[: len(mouth.upper_lip) // 2]
        thickness = 0.11 * np.sin(np.linspace(0.12, np.pi - 0.12, len(edge))) ** 0.6
        lip = ribbon(shifted(edge, 0, -0.045), thickness)
    return Beard(jaw, lip, dense=kind != "stubble")


def _jaw_hair(units: ActionUnits, person: Person, project: Projection) -> Points:
    outline = head_outline(units, person)
    low = outline[outline[:, 1] > 0.1]  # clockwise: from the image's right over the chin to the left
    drop = jaw_drop(units)
    half = [(0.7, 0.12), (0.58, 0.38), (0.46, 0.54), (0.38, 0.68 + 0.5 * drop), (0.2, 0.76 + drop)]
    inner = smooth([*half, (0.0, 0.77 + drop), *((-x, y) for x, y in half[::-1])])
    return closed(project.at_depth(low, 0.15), project(inner))


@dataclass(frozen=True)
class Glasses:
    lenses: tuple[Points, Points]
    bridge: Points
    temples: tuple[Points, Points]


def glasses(person: Person, project: Projection, large: bool = False) -> Glasses:
    """Reading glasses, or `large` ones that hide the eyes."""
    x, radii = 0.39 + 0.03 * person.eye_spacing, (0.31, 0.25) if large else (0.27, 0.21)
    lenses = [project(ellipse((s * x, -0.11), radii), 0.15) for s in (-1, 1)]
    temples = [
        project.at_depth(np.array([[s * (x + radii[0]), -0.14], [s * 0.86, -0.12]]), np.array([0.45, -0.1]))
        for s in (-1, 1)
    ]
    bridge = project(smooth([(radii[0] - x, -0.13), (0.0, -0.17), (x - radii[0], -0.13)]), 0.2)
    return Glasses((lenses[0], lenses[1]), bridge, (temples[0], temples[1]))


def scarf(project: Projection, rng: np.random.Generator) -> tuple[Points, tuple[Points, ...]]:
    """A scarf over chin and, at times, mouth: its polygon and the lines of its folds."""
    top = rng.uniform(0.38, 0.72)
    tilt = rng.uniform(-0.08, 0.08)
    edge = smooth(
        [(-0.8, top - 0.12 + tilt), (-0.4, top + 0.03), (0.1, top), (0.5, top + 0.02), (0.8, top - 0.14 - tilt)]
    )
    hem = smooth([(-0.74, 1.1), (-0.6, 1.42), (0.0, 1.52), (0.6, 1.42), (0.74, 1.1)])
    folds = [smooth([(-0.74, y), (0.0, y + 0.14), (0.74, y - 0.06)]) for y in (top + 0.2, top + 0.42)]
    return project.at_depth(closed(edge, hem), 0.5), tuple(project.at_depth(fold, 0.5) for fold in folds)


def hand(project: Projection, rng: np.random.Generator) -> tuple[Points, tuple[Points, ...]]:
    """A hand on one cheek, or before the mouth: the palm's polygon, and one curve for each finger."""
    side = rng.choice((-1.0, 1.0))
    wrist = np.array([side * rng.uniform(0.35, 0.75), rng.uniform(0.75, 1.0)])
    lean = -side * rng.uniform(0.0, 0.7)
    palm = np.vstack(
        [ellipse((0.0, 0.0), (0.3, 0.32), 20)[10:], [[0.26, 0.2], [0.24, 1.6], [-0.24, 1.6], [-0.26, 0.2]]]
    )
    fingers = [np.array([[x, -0.1], [x * 1.25, -0.5 - reach], [x * 1.3, -0.62 - reach]]) for x, reach in _FINGERS]
    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    return project.at_depth(palm @ turn.T + wrist, 0.8), tuple(
        project.at_depth(f @ turn.T + wrist, 0.82) for f in fingers
    )
