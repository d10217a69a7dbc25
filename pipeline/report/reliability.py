"""How far the probabilities of a head can be trusted: bins of confidence, from the predictions that a score is of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.learning.probabilities import N_BINS, bins_of
from pipeline.records.predictions import Predictions

__all__ = ["Reliability", "reliability_of"]


@dataclass(frozen=True)
class Reliability:
    """Of each of the bins of the confidence: how many units, the sum of their confidences, how many are right."""

    counts: tuple[int, ...]
    confidences: tuple[float, ...]
    right: tuple[int, ...]

    @classmethod
    def of(
        cls, confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], n_bins: int = N_BINS
    ) -> Reliability:
        """Of the probabilities of predictions, float in [0, 1], shape (N,), and whether each is right, (N,)."""
        bins = bins_of(confidence, n_bins)
        counts, confidences, hits = (
            np.bincount(bins, weights, n_bins).tolist() for weights in (None, confidence, right)
        )
        return cls(tuple(counts), tuple(confidences), tuple(map(int, hits)))

    @classmethod
    def together(cls, several: Iterable[Reliability]) -> Reliability:
        """The sums over some scores."""
        parts = [(each.counts, each.confidences, each.right) for each in several]
        counts, confidences, right = (
            tuple(map(sum, zip(*columns, strict=True))) for columns in zip(*parts, strict=True)
        )
        return cls(counts, confidences, right)


def reliability_of(predictions: Predictions) -> Reliability:
    """Of the scored units of a score, at the head's temperature."""
    confidence = predictions.scored["probability"].to_numpy().astype(np.float64)
    return Reliability.of(confidence, predictions.predicted == predictions.labels)
