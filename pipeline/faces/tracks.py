"""Faces of successive frames of a video become tracks: the same face over time.

A face continues a track that has its colours, and whose last box it overlaps or is near to: so a face that was covered
for some frames is found again, and a cut to another person starts another track, also where that person's box happens
to be in the same place. Where several pairs are possible, those of the least total cost are chosen: two people who
cross keep their tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.optimize import linear_sum_assignment

from pipeline.faces.face import Box, area, common_area

__all__ = ["LOST_S", "Tracker", "appearance"]

Features = npt.NDArray[np.float32]

LOST_S = 1.0  # a face that is away for longer is another track

# RMS difference of the colours of aligned faces, in [0, 1]. Of pairs of frames of one person 0.2 s apart, 99 in 100
# differ by less than 0.08 to 0.19 (drawn people of four styles whose expression and pose change within 0.6 s), or 0.11
# (photographs of muxspace, moved by 3 %, rotated by 4 degrees, with noise). Of pairs of people in one style, 1 in 100
# differ by less than 0.10 to 0.15, of two photographs by less than 0.11.
# The encoder's features are no measure of this: the default encoder is trained on expressions, so that two people have
# a cosine of 0.6 to 0.7 (median, neutral faces), and a twentieth of the frames of one person have less.
_SAME = 0.12
_OVERLAP = 0.3  # intersection over union of a face and its track's last box
_REACH, _SPEED = 1.0, 2.0  # widths of a face: how far it may be from its last place, and how much farther per second
_MEMORY = 0.5  # weight of the track's earlier colours beside those of its last face
_SIDE = 8  # pixels of an aligned face whose colours are compared
_IMPOSSIBLE = 1e6


@dataclass
class _Track:
    number: int
    box: Box
    features: Features
    seconds: float


@dataclass
class Tracker:
    """Numbers the faces of a video by person, frame by frame. Its memory is the tracks of the last second.

    Parameters
    ----------
    lost_s : > 0, a face that is away for longer than this is a new track
    """

    lost_s: float = LOST_S
    n_tracks: int = 0
    _tracks: list[_Track] = field(default_factory=list)

    @property
    def open(self) -> frozenset[int]:
        """The tracks that a face of the next frame may continue."""
        return frozenset(track.number for track in self._tracks)

    def update(self, seconds: float, boxes: Sequence[Box], features: Features) -> list[int]:
        """The track of each face of the next frame: numbers from 0, in the order in which tracks start.

        Parameters
        ----------
        seconds : time of the frame; not less than that of the frame before
        boxes : N boxes, pixels
        features : float32, shape (N, D), of each face: see `appearance`
        """
        self._tracks = [track for track in self._tracks if seconds - track.seconds <= self.lost_s]
        costs = np.array(
            [[_cost(track, *face, seconds) for face in zip(boxes, features, strict=True)] for track in self._tracks]
        ).reshape(len(self._tracks), len(boxes))
        chosen = {
            j: self._tracks[i] for i, j in zip(*linear_sum_assignment(costs), strict=True) if costs[i, j] < _IMPOSSIBLE
        }
        return [self._continued(chosen.get(j), box, features[j], seconds) for j, box in enumerate(boxes)]

    def _continued(self, track: _Track | None, box: Box, features: Features, seconds: float) -> int:
        if track is None:
            track = _Track(self.n_tracks, box, features, seconds)
            self.n_tracks += 1
            self._tracks.append(track)
        track.box, track.seconds = box, seconds
        track.features = _MEMORY * track.features + (1 - _MEMORY) * features
        return track.number


def appearance(crops: npt.NDArray[np.uint8]) -> Features:
    """What tells a face from another in the next frame: the colours of the aligned face in 8 x 8 fields.

    Parameters
    ----------
    crops : uint8, shape (N, side, side, 3), upright

    Returns
    -------
    float32 in [0, 1], shape (N, 192)
    """
    small = [Image.fromarray(crop).resize((_SIDE, _SIDE), Image.Resampling.BOX) for crop in crops]
    colours = np.array([np.asarray(one) for one in small], np.float32).reshape(len(crops), _SIDE * _SIDE * 3)
    return colours / np.float32(255)


def _cost(track: _Track, box: Box, features: Features, seconds: float) -> float:
    """Of continuing a track with a face; `_IMPOSSIBLE` or more if it may not."""
    difference = float(np.sqrt(np.mean((track.features - features) ** 2)))
    overlap = _overlap(track.box, box)
    is_near = overlap >= _OVERLAP or _distance(track.box, box) <= _REACH + _SPEED * (seconds - track.seconds)
    possible = is_near and difference <= _SAME
    return difference / _SAME + 1 - overlap if possible else _IMPOSSIBLE


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union, in [0, 1]."""
    common = common_area(a, b)
    return common / max(area(a) + area(b) - common, 1e-9)


def _distance(a: Box, b: Box) -> float:
    """Between the centres, in widths of the first."""
    x, y = b[0] + b[2] / 2 - a[0] - a[2] / 2, b[1] + b[3] / 2 - a[1] - a[3] / 2
    return float(np.hypot(x, y)) / max(a[2], 1e-9)
