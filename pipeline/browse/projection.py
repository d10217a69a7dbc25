"""Places of features in a plane: principal components by numpy, and t-SNE by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.learning.tsne import perplexity_of, tsne

__all__ = ["MOST_TSNE", "Plane", "principal_plane", "tsne_plane"]

MOST_TSNE = 5000  # units: scikit-learn takes about half a minute for so many on one core
_BLOCK_ROWS = 8192
_LEAST_VARIANCE = 1e-6  # of features of length 1: below it they are equal but for rounding
_TSNE_WIDTH = 50  # principal components that t-SNE reads, as its authors do

Features = Sequence[npt.NDArray[np.floating]]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """Places of U units in a plane.

    Parameters
    ----------
    places : float32, shape (U, 2); NaN where a unit has no place
    caption : what the axes are, for people
    """

    places: Float32
    caption: str


def principal_plane(features: Features) -> Plane:
    """The first two principal components of features of length 1, as cosines compare them.

    Parameters
    ----------
    features : arrays of shape (U_i, D), raw; read in blocks. A row with NaN has no place

    Notes
    -----
    A component has the sign that makes its largest loading positive, so that equal features give equal places.
    """
    center, axes, shares = _principal_axes(features, 2)
    places = np.concatenate(
        [np.empty((0, 2), np.float32), *(_placed(block, center, axes) for block in _blocks(features))]
    )
    of_variance = " and ".join(f"{100 * share:.0f} %" for share in shares)
    return Plane(places, f"PCA of features of length 1: the axes have {of_variance} of the variance")


def tsne_plane(features: Features) -> Plane:
    """t-SNE of up to `MOST_TSNE` units, evenly spread over all; the others have no place.

    Raises
    ------
    ConfigError
        If there are fewer than 5 units with features.
    """
    center, axes, _ = _principal_axes(features, _TSNE_WIDTH)
    reduced = np.concatenate([_placed(block, center, axes) for block in _blocks(features)])
    usable = np.flatnonzero(np.isfinite(reduced).all(axis=1))
    if len(usable) < 5:
        raise ConfigError(f"t-SNE: expected at least 5 units with features, found {len(usable)}")
    chosen = usable[np.linspace(0, len(usable) - 1, min(MOST_TSNE, len(usable))).round().astype(np.intp)]
    places = np.full((len(reduced), 2), np.nan, np.float32)
    places[chosen] = tsne(reduced[chosen])
    shown = f"{len(chosen):,} of {len(usable):,} units, evenly spread" if len(chosen) < len(usable) else "all units"
    return Plane(
        places, f"t-SNE of {shown} (perplexity {perplexity_of(len(chosen)):.0f}): distances between groups mean nothing"
    )


def _principal_axes(features: Features, n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Any]:
    """Center (D,), up to `n` axes (D, n), and their shares of the variance."""
    width = features[0].shape[1]
    count, total, squares = 0, np.zeros(width), np.zeros((width, width))
    for block in _blocks(features):
        finite = block[np.isfinite(block).all(axis=1)]
        count += len(finite)
        total += finite.sum(axis=0, dtype=np.float64)
        squares += finite.T @ finite
    center = total / max(1, count)
    covariance = squares / max(1, count) - np.outer(center, center)
    variances, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :n]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    if (missing := n - axes.shape[1]) > 0 and n == 2:  # features of a single value
        axes = np.pad(axes, ((0, 0), (0, missing)))
    whole = float(np.trace(covariance))
    if whole < _LEAST_VARIANCE:
        return center, np.zeros_like(axes), np.zeros(n)
    shares = np.clip(np.pad(variances[::-1], (0, max(0, n - width)))[:n] / whole, 0, 1)
    return center, axes, shares


def _blocks(features: Features) -> Iterator[Float32]:
    """Features of length 1, shape (<= _BLOCK_ROWS, D); a row of zeros stays one."""
    for part in features:
        for start in range(0, len(part), _BLOCK_ROWS):
            block = part[start : start + _BLOCK_ROWS].astype(np.float32)
            lengths = np.linalg.norm(block, axis=1, keepdims=True)
            block /= np.where(lengths > 0, lengths, 1)
            yield block


def _placed(block: Float32, center: npt.NDArray[np.float64], axes: npt.NDArray[np.float64]) -> Float32:
    return ((block - center.astype(np.float32)) @ axes.astype(np.float32)).astype(np.float32)
