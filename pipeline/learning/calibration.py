"""The temperature of a head: the one number that reduces most of its calibration error.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.learning.probabilities import N_BINS, Codes, Floats, expected_calibration_error, expected_ece, softmax

__all__ = ["TEMPERATURES", "Calibration", "HeldBack", "fit_temperature"]

TEMPERATURES = (0.01, 100.0)  # the lowest and the highest that is ever fitted
_PRECISION = 1e-12  # of the temperature, relative
_FOLDS = 5  # of the rows, for the decision whether the temperature is used
_EQUAL = 1e-9  # two calibration errors or likelihoods that differ by less are equal: rounding


@dataclass(frozen=True)
class HeldBack:
    """What a temperature does on rows that it was not fitted on.

    The rows are cut into folds: row i is in fold i modulo `folds`. Each fold is scored at the temperature that was
    fitted on all other folds, and the rows of all folds are then counted together.

    Parameters
    ----------
    folds : 2 to 5
    nll_before, nll_after : mean negative log likelihood of the labels, nats, at temperature 1 and at the fitted ones
    ece_before, ece_after : expected calibration error in [0, 1], likewise
    """

    folds: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float

    @property
    def is_worse(self) -> bool:
        """Whether likelihood or calibration error is worse at the fitted temperatures than at 1."""
        return self.nll_after > self.nll_before + _EQUAL or self.ece_after > self.ece_before + _EQUAL

    @classmethod
    def of(cls, logits: Floats, labels: Codes) -> Self:
        """Score `logits`, float (N, C), on their `labels`, int64 (N,) in [0, C), N >= 2."""
        folds = min(_FOLDS, len(labels))
        fold_of = np.arange(len(labels)) % folds
        temperatures = [fit_temperature(logits[fold_of != fold], labels[fold_of != fold]) for fold in range(folds)]
        scaled = logits / np.array(temperatures)[fold_of, None]  # (N, C)
        nlls = (_negative_log_likelihood(values, labels) for values in (logits, scaled))
        eces = (expected_calibration_error(softmax(values), labels) for values in (logits, scaled))
        return cls(folds, *nlls, *eces)


@dataclass(frozen=True)
class Calibration:
    """The temperature of a head, and what it did on the rows that it was fitted on: optimistic by construction.

    Parameters
    ----------
    temperature : > 0, divides the logits before the softmax: `fitted_temperature` where that is kept, else 1
    fitted_temperature : at which the labels are most likely
    kept : whether the fitted temperature is used; see `fit`
    held_back : what it did on rows that it was not fitted on; None where there were fewer than two rows
    ece_before, ece_after : expected calibration error in [0, 1] at temperature 1 and at `temperature`; None for n = 0
    ece_expected : that of a perfectly calibrated head with the probabilities at `temperature`; see `expected_ece`
    n : rows, without those left out
    n_left_out : rows of a class that the head was never trained on
    bins : of the calibration error
    """

    temperature: float
    fitted_temperature: float
    kept: bool
    held_back: HeldBack | None
    ece_before: float | None
    ece_after: float | None
    ece_expected: float | None
    n: int
    n_left_out: int
    bins: int = N_BINS

    @classmethod
    def fit(cls, logits: Floats, labels: Codes, trained: npt.NDArray[np.bool_] | None = None) -> Self:
        """Calibrate a head.

        The rule: the temperature that `fit_temperature` finds is kept only where temperatures that are fitted on four
        fifths of the rows make neither the likelihood nor the calibration error of the others worse (`HeldBack`).
        Otherwise, and where there are fewer than two rows, the temperature is 1.

        Parameters
        ----------
        logits : finite float, shape (N, C)
        labels : int64 in [0, C), shape (N,)
        trained : bool, shape (C,)
            Classes that the head was trained on; all unless given. Rows of other classes are left out and counted:
            the head gives their class next to no probability, and one such row would make every other uncertain.

        Raises
        ------
        InputError
            If a logit is not finite.
        """
        usable = np.ones(len(labels), bool) if trained is None else trained[labels]
        n_left_out = int((~usable).sum())
        logits, labels = logits[usable].astype(np.float64), labels[usable]
        if not len(labels):
            return cls(1.0, 1.0, False, None, None, None, None, 0, n_left_out)
        fitted = fit_temperature(logits, labels)
        held_back = HeldBack.of(logits, labels) if len(labels) > 1 else None
        kept = held_back is not None and not held_back.is_worse
        temperature = fitted if kept else 1.0
        probabilities = softmax(logits, temperature)
        return cls(
            temperature=temperature,
            fitted_temperature=fitted,
            kept=kept,
            held_back=held_back,
            ece_before=expected_calibration_error(softmax(logits), labels),
            ece_after=expected_calibration_error(probabilities, labels),
            ece_expected=expected_ece(probabilities.max(axis=1)),
            n=len(labels),
            n_left_out=n_left_out,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data, every number a Python number."""
        return asdict(self)


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
    float in `TEMPERATURES`, whose ends include everything beyond them. The upper one, where probabilities are nearly
    uniform, is for logits that are no better than none. Where no class is above the true one in any row, the
    likelihood grows as T falls, to the last: the rows do not determine it, and T is 1.

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
        # The slope in 1 / T: the expected logit under the probabilities, above that of the true class, on average.
        if (softmax(above, middle) * above).sum() > 0:
            low = middle
        else:
            high = middle
    return middle


def _negative_log_likelihood(logits: Floats, labels: Codes) -> float:
    """Mean over rows, nats; finite for finite logits, where the logarithm of a probability of 0 is not."""
    above = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    highest = above.max(axis=1)
    return float((highest + np.log(np.exp(above - highest[:, None]).sum(axis=1))).mean())
