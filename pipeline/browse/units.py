"""What the page shows: the units of test sets under one encoder, and what a head predicted of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.browse.projection import Plane

__all__ = ["NO_CLASS", "STATUSES", "Predicted", "UnitMap", "confident_mistakes"]

STATUSES = ("not scored", "scored", "rejected", "other-label", "excluded")
NO_CLASS = 255  # in arrays of classes: none

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class UnitMap:
    """U units, those of each dataset one after the other.

    Parameters
    ----------
    name : of the encoder
    labels : names of all labels that occur, at most 255
    label : uint8, shape (U,): positions in `labels`
    datasets : their names, with the split
    dataset : uint8, shape (U,): positions in `datasets`
    n_frames : uint8, shape (U,): pictures in the strip of a clip; 0 of images
    planes : name -> places
    notes : what must be known of the encoder; empty if nothing
    """

    name: str
    labels: tuple[str, ...]
    label: Bytes
    datasets: tuple[str, ...]
    dataset: Bytes
    n_frames: Bytes
    planes: Mapping[str, Plane]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, eq=False)
class Predicted:
    """What one head predicted of the units of a map.

    Parameters
    ----------
    name : of the run, for people
    map : position of its map
    classes : of the head, in its order
    status : uint8, shape (U,): positions in `STATUSES`
    prediction : uint8, shape (U,): positions in `classes`; NO_CLASS unless scored
    probability : float32, shape (U,): of the prediction, calibrated; NaN unless scored
    """

    name: str
    map: int
    classes: tuple[str, ...]
    status: Bytes
    prediction: Bytes
    probability: npt.NDArray[np.float32]

    def is_wrong(self, units: UnitMap) -> npt.NDArray[np.bool_]:
        """Whether a unit was scored and its prediction is not its label, shape (U,)."""
        names = np.array([*self.classes, *[""] * (NO_CLASS + 1 - len(self.classes))], dtype=object)
        labels = np.array(units.labels, dtype=object)[units.label]
        return np.asarray((self.prediction != NO_CLASS) & (names[self.prediction] != labels), bool)


def confident_mistakes(units: UnitMap, predicted: Predicted) -> npt.NDArray[np.intp]:
    """The units that were predicted wrongly, the highest probability first; equal ones in their own order."""
    wrong = np.flatnonzero(predicted.is_wrong(units))
    return wrong[np.argsort(-predicted.probability[wrong], kind="stable")]
