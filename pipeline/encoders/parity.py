"""How far two computations of the same features are from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import MismatchError

__all__ = ["Parity", "parity"]

_COSINE_DECIMALS = 7
_DIFFERENCE_DIGITS = 3


@dataclass(frozen=True)
class Parity:
    """The worst of `rows` rows.

    Parameters
    ----------
    rows : how many were compared
    cosine : the smallest cosine between a row and its reference, rounded to 7 decimals; 1.0 if there are no rows
    difference : the largest absolute difference of two values, rounded to 3 significant digits
    relative : the largest length of a row's difference, as a share of the reference's length, rounded to 3 significant
        digits. It sees what a cosine does not: a cosine falls with the square of an error, and not with a factor
    """

    rows: int
    cosine: float
    difference: float
    relative: float = 0.0


def parity(stored: npt.NDArray[Any], reference: npt.NDArray[Any]) -> Parity:
    """Compare rows, each flattened to one vector, in float64.

    Parameters
    ----------
    stored, reference : floating, shape (M, *row_shape)
        A row of zeros has cosine 1 to another row of zeros and 0 to any other row. A value that is not finite in
        either makes all figures NaN.

    Raises
    ------
    MismatchError
        If the shapes differ.
    """
    if stored.shape != reference.shape:
        raise MismatchError(
            f"parity: expected the same rows twice, found {stored.shape} and {reference.shape}. "
            "Compare the same output of the same encoder"
        )
    rows = len(stored)
    if stored.size == 0:
        return Parity(rows, 1.0, 0.0)
    ours, theirs = (values.reshape(rows, -1).astype(np.float64) for values in (stored, reference))
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return Parity(rows, float("nan"), float("nan"), float("nan"))
    cosine = round(float(_cosines(ours, theirs).min()), _COSINE_DECIMALS)
    return Parity(rows, cosine, _short(np.abs(ours - theirs).max()), _short(_relative(ours, theirs).max()))


def _short(value: float) -> float:
    return float(f"{value:.{_DIFFERENCE_DIGITS}g}")


def _relative(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(M, X), (M, X) -> (M,); where the reference is zero, the length of the difference itself."""
    lengths = np.linalg.norm(theirs, axis=1)
    shares: npt.NDArray[np.float64] = np.linalg.norm(ours - theirs, axis=1) / np.where(lengths == 0, 1, lengths)
    return shares


def _cosines(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(M, X), (M, X) -> (M,)."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    both_zero = ~ours.any(axis=1) & ~theirs.any(axis=1)
    cosines = (ours * theirs).sum(axis=1) / np.where(lengths == 0, 1, lengths)
    return np.where(both_zero, 1.0, cosines)
