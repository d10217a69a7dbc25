"""How far probabilities can be trusted: softmax, calibration error, and the one temperature that mends most of it.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError

__all__ = [
    "N_BINS",
    "TEMPERATURES",
    "Calibration",
    "expected_calibration_error",
    "fit_temperature",
    "softmax",
]

Floats = npt.NDArray[np.floating[Any]]
Codes = npt.NDArray[np.int64]

N_BINS = 15  # as in Guo et al.
TEMPERATURES = (0.01, 100.0)  # the lowest and the highest that is ever fitted
_PRECISION = 1e-12  # of the temperature, relative


@dataclass(frozen=True)
class Calibration:
    """The temperature of a head, and what it did on the rows that it was fitted on: optimistic by construction.

    Parameters
    ----------
    temperature : > 0, divides the logits before the softmax
    ece_before, ece_after : expected calibration error in [0, 1] at temperature 1 and at `temperature`
    n : rows
    bins : of the calibration error
    """

    temperature: float
    ece_before: float
    ece_after: float
    n: int
    bins: int = N_BINS

    @classmethod
    def fit(cls, logits: Floats, labels: Codes) -> Self:
        """Calibrate `logits`, float (N, C), on their `labels`, int64 (N,) in [0, C): see `fit_temperature`."""
        temperature = fit_temperature(logits, labels)
        before, after = (expected_calibration_error(softmax(logits, t), labels) for t in (1.0, temperature))
        return cls(temperature, before, after, len(labels))

    def as_json(self) -> dict[str, Any]:
        """Plain data, every number a Python number."""
        return asdict(self)


def softmax(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Probabilities of each row: float64, shape (N, C), rows sum to 1.

    Equation: p[n, c] = exp(z[n, c] / T) / sum_k exp(z[n, k] / T)   [Guo et al., Eq. 9]

    The order of the classes in a row is that of the logits at every temperature > 0.
    """
    scaled = (logits.astype(np.float64) - logits.max(axis=1, keepdims=True)) / temperature
    powers: npt.NDArray[np.float64] = np.exp(scaled)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def expected_calibration_error(probabilities: Floats, labels: Codes, bins: int = N_BINS) -> float:
    """Mean distance of confidence and accuracy over equal-width bins (low, high] of the confidence, in [0, 1].

    Equation: ECE = sum_b (n_b / N) * |accuracy_b - confidence_b|   [Guo et al., Eqs. 3 and 5]

    Parameters
    ----------
    probabilities : float in [0, 1], shape (N, C), N > 0
    labels : int64 in [0, C), shape (N,)
    bins : > 0
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(logits: Floats, labels: Codes) -> float:
    """The temperature at which the labels are most likely.

    Equation: T = argmin -(1 / N) * sum_n log softmax(z[n] / T)[y_n]   [Guo et al., Sec. 4.2]

    The loss is convex in 1 / T, so its slope has one zero at most, which is found by halving an interval.

    Parameters
    ----------
    logits : finite float, shape (N, C), N > 0
    labels : int64 in [0, C), shape (N,)

    Returns
    -------
    float in `TEMPERATURES`, whose ends stand for everything beyond them. The upper one, where probabilities are nearly
    uniform, is for logits that are no better than none. Where no class is above the true one in any row, the
    likelihood grows as T falls, to the last: the rows do not say how sure to be, and T is 1.

    Raises
    ------
    InputError
        If there is no row, or a logit is not finite.
    """
    if not len(labels) or not np.isfinite(logits).all():
        found = "NaN or infinity" if len(labels) else "no row"
        raise InputError(f"calibration: expected rows of finite logits, found {found}. Check the features and the head")
    # (N, C): how far every class is above the true one
    above = logits.astype(np.float64) - np.take_along_axis(logits, labels[:, None], axis=1)
    if above.max() <= 0:
        return 1.0
    low, high = TEMPERATURES
    while high > low * (1 + _PRECISION):
        middle = math.sqrt(low * high)
        # The slope in 1 / T is the mean of what the probabilities expect a row's logit to be above the true class's.
        if (softmax(above, middle) * above).sum() > 0:
            low = middle
        else:
            high = middle
    return middle
