"""Hair: what lies behind the head, what covers the skull, and how the strands run."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.drawn.curves import Points, Projection, closed, ellipse, smooth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.datasets.drawn.anatomy import Identity

__all__ = ["Hair", "hair"]

Run = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Hair:
    """Polygons behind the face and on the skull, and the run of some strands; each may be empty."""

    back: tuple[Points, ...] = ()
    front: tuple[Points, ...] = ()
    strands: tuple[Points, ...] = ()


@dataclass(frozen=True)
class _Cut:
    """`hairline` runs from the image's left temple to the right one; `volume` is a share of the skull's radius.

    `back` is the right half of what hangs behind the head, from the crown down.
    """

    hairline: Run
    volume: float
    back: Run = ()


def _mirrored(half: Run) -> Run:
    """A symmetrical hairline from its right half, which starts at the middle."""
    return (*((-x, y) for x, y in half[:0:-1]), *half)


_BOB: Run = ((0.0, -1.2), (0.75, -1.0), (0.98, -0.3), (1.0, 0.4), (0.85, 0.78), (0.4, 0.85))
_LONG: Run = ((0.0, -1.2), (0.75, -1.0), (0.98, -0.3), (1.02, 0.6), (1.1, 1.4), (0.9, 1.95), (0.3, 2.0))
_CURLS: Run = ((0.0, -1.3), (0.7, -1.15), (1.05, -0.5), (1.02, 0.1), (0.8, 0.3))
_PARTING: Run = (
    *((-0.74, -0.3), (-0.4, -0.68), (0.0, -0.8)),
    *((0.28, -1.02), (0.42, -0.84), (0.62, -0.66), (0.76, -0.3)),
)
_CURTAIN: Run = (
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


def hair(who: Identity, place: Projection) -> Hair:
    """The hair of a person; nothing for the bald."""
    if who.haircut == "bald":
        return Hair()
    cut = _CUTS[who.haircut]
    line = smooth(cut.hairline)
    edge = _skull_edge(who, line, cut.volume)
    if who.haircut == "curly":
        edge += np.random.default_rng(who.seed).normal(0.0, _CURL_SIZE, edge.shape)
    # Flatter than the face, so that the far temple of a turned head stays inside its outline.
    depth = 0.5 * np.maximum(0.0, 1 - (line[:, 0] / 0.8) ** 2)
    outer, inner = place.at_depth(edge, 0.0), place.at_depth(line, depth)
    share = np.linspace(0, 1, _STRAND_POINTS)[:, None, None]
    runs = outer * (1 - share) + inner * share  # (points, strands, 2): from the edge down to the hairline
    strands = tuple(runs[:, k] for k in range(1, len(line) - 1))
    back = tuple(place.at_depth(shape, -0.3) for shape in _behind(who.haircut, cut))
    return Hair(back, (closed(outer, inner),), strands)


def _skull_edge(who: Identity, line: Points, volume: float) -> Points:
    """The upper edge of the hair, with as many points as the hairline below it."""
    a, b, middle = 0.82 * (1 + 0.07 * who.face_width), 0.95, -0.22
    start = np.arctan2((line[0, 1] - middle) / b, line[0, 0] / a) % (2 * np.pi)
    end = np.arctan2((line[-1, 1] - middle) / b, line[-1, 0] / a) + 2 * np.pi
    angle = np.linspace(start, end, len(line))
    swell = 1 + volume * np.sin(np.linspace(0.15, np.pi - 0.15, len(line))) ** 0.5
    return np.column_stack([a * swell * np.cos(angle), middle + b * swell * np.sin(angle)])


def _behind(haircut: str, cut: _Cut) -> list[Points]:
    if haircut == "bun":
        return [_BUN]
    return [smooth([*cut.back, *((-x, y) for x, y in cut.back[:0:-1])], loop=True)] if cut.back else []
