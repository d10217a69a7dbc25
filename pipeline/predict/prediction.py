"""What is said of one face, or of a picture without any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["FACE", "NO_FACE", "UNREADABLE", "Prediction", "Status"]

Status = Literal["face", "no face", "unreadable"]
FACE: Status = "face"
NO_FACE: Status = "no face"
UNREADABLE: Status = "unreadable"


@dataclass(frozen=True)
class Prediction:
    """One face; or one picture without a face, or one that cannot be read, which have nothing of a face.

    Parameters
    ----------
    image : path as it was given or found; `#3` for the fourth of what was given as a picture
    frame, seconds : where in a video, both from 0; None for pictures
    status : face, no face or unreadable
    reason : why it is unreadable, else empty
    box : x, y, width, height of the face in pixels of the picture as it is shown; may stick out of it
    score : of the face detector, in [0, 1]
    expression : the most probable one
    probabilities : expression -> calibrated probability, in the head's order; they sum to 1
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

    @property
    def probability(self) -> float | None:
        """Of the expression."""
        return None if self.expression is None else self.probabilities[self.expression]

    def as_json(self) -> dict[str, Any]:
        """Plain data, in the order of the fields."""
        return {**asdict(self), "box": list(self.box) if self.box else None, "probabilities": dict(self.probabilities)}
