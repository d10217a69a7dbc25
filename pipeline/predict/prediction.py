"""The prediction of one face, or of an image without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["FACE", "NO_FACE", "UNREADABLE", "Prediction", "Status", "row_columns"]

Status = Literal["face", "no face", "unreadable"]
FACE: Status = "face"
NO_FACE: Status = "no face"
UNREADABLE: Status = "unreadable"

_BOX = ("x", "y", "width", "height")
_OF_WINDOW = ("track", "start_s", "end_s", "n_frames")


@dataclass(frozen=True)
class Prediction:
    """One face; or one image without a face, or one that cannot be read, which have nothing of a face.

    Parameters
    ----------
    image : path; `#3` for the fourth of the images, if it is a PIL image or an array
    frame, seconds : where in a video, both from 0; None for images. Of a window, the face nearest to its middle, whose
        box and score these are
    status : face, no face or unreadable
    reason : why it is unreadable, else empty
    box : x, y, width, height of the face in pixels of the upright image; may exceed it
    score : of the face detector, in [0, 1]
    expression : the most probable one
    probabilities : expression -> calibrated probability, in the head's order; they sum to 1
    track : of windows and clips: the number of the person in the video, from 0
    start_s, end_s : of windows and clips: what part of the video it is of
    n_frames : of windows and clips: in how many of its frames that were read the face is; without a face, how many were
        read. None for images, and for single frames
    """

    image: str
    status: Status
    frame: int | None = None
    seconds: float | None = None
    reason: str = ""
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    expression: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    track: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    n_frames: int | None = None

    @property
    def probability(self) -> float | None:
        """Of the expression."""
        return None if self.expression is None else self.probabilities[self.expression]

    def as_json(self) -> dict[str, Any]:
        """Plain data, in the order of the fields, the last four of windows only, then the probability."""
        of_window = self.n_frames is not None
        return {
            **{name: value for name, value in asdict(self).items() if of_window or name not in _OF_WINDOW},
            "box": list(self.box) if self.box else None,
            "probabilities": dict(self.probabilities),
            "probability": self.probability,
        }

    def as_row(self, classes: Sequence[str], *, windows: bool = False) -> dict[str, Any]:
        """The same with a column for each side of the box and for each of `classes`: see `row_columns`."""
        of_window = {name: getattr(self, name) for name in _OF_WINDOW} if windows else {}
        record = {name: value for name, value in self.as_json().items() if name not in _OF_WINDOW} | of_window
        box = dict(zip(_BOX, record.pop("box") or [None] * 4, strict=True))
        probabilities = record.pop("probabilities")
        return {**record, **box, **{name: probabilities.get(name) for name in classes}}


def row_columns(classes: Sequence[str], *, windows: bool = False) -> list[str]:
    """Names of the columns of `Prediction.as_row`, in order: those of windows where rows are of some."""
    return list(Prediction("", NO_FACE).as_row(classes, windows=windows))
