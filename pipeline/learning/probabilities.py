"""Probabilities of logits, and their calibration error: how far they can be trusted.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["N_BINS", "Codes", "Floats", "bins_of", "expected_calibration_error", "expected_ece", "softmax"]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Codes: TypeAlias = npt.NDArray[np.int64]

N_BINS = 15  # of the confidence, as in Guo et al.


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
    gaps = np.bincount(bins_of(confidence, bins), weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def expected_ece(confidences: Floats, bins: int = N_BINS) -> float:
    """The calibration error that a perfectly calibrated head would have on as many rows, by chance alone.

    With few rows a bin's accuracy is far from its confidence even if every probability is true: a calibration error
    near this one is no evidence against the head.

    Equation: E[ECE] = (1 / N) * sum_b E|S_b - sum_{n in b} p_n|,  S_b = sum_{n in b} Bernoulli(p_n)
    with p_n the confidence of row n. The distribution of S_b is computed, not approximated: its generating function is
    the product of (1 - p_n + p_n x).

    Parameters
    ----------
    confidences : float in [0, 1], shape (N,), N > 0
        The greatest probability of each row.
    bins : > 0, as in `expected_calibration_error`

    Returns
    -------
    float in [0, 1/2], the same to rounding whatever the order of the rows
    """
    chances = np.clip(confidences.astype(np.float64), 0, 1)
    bin_of = bins_of(chances, bins)
    return float(sum(_mean_deviation(chances[bin_of == one]) for one in np.unique(bin_of)) / len(chances))


def bins_of(confidence: Floats, bins: int) -> Codes:
    """Which of the bins (low, high] each confidence is in: int64 (N,) in [0, bins)."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _mean_deviation(chances: npt.NDArray[np.float64]) -> float:
    """Mean distance of the number of successes from its mean, for independent trials of these chances, float (M,)."""
    mass = _success_counts(chances)
    return float(mass @ np.abs(np.arange(len(mass)) - chances.sum()))


def _success_counts(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability of each number of successes: polynomials are multiplied in pairs, all of one degree at once."""
    n_factors = 1 << (len(chances) - 1).bit_length()
    padded = np.concatenate([chances, np.zeros(n_factors - len(chances))])  # chance 0 changes nothing
    factors = np.stack([1 - padded, padded], axis=1)  # (n_factors, degree + 1)
    while len(factors) > 1:
        n_coefficients = 2 * factors.shape[1] - 1
        length = 1 << (n_coefficients - 1).bit_length()
        spectra = np.fft.rfft(factors, length, axis=1)
        factors = np.fft.irfft(spectra[::2] * spectra[1::2], length, axis=1)[:, :n_coefficients]
    mass: npt.NDArray[np.float64] = factors[0]
    return mass
