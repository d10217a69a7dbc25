"""Rows of an estimator: names of labels, the part that is held back for validation, features that can be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from pipeline.learning.array_source import LabelledRows
from pipeline.tables.labels import in_canonical_order

__all__ = ["head_classes", "held_back_rows", "label_names", "require_directions", "seed_of"]

_SHORTEST = 1e-6  # of a feature: below it a direction is rounding error


def label_names(labels: npt.NDArray[Any]) -> list[str]:
    """Labels as a head names them."""
    return [str(label) for label in labels.tolist()]


def head_classes(labels: npt.NDArray[Any]) -> tuple[str, ...]:
    """The order of the logits: expressions in canonical order, as `train` has them; other labels sorted."""
    names = label_names(labels)
    canonical = in_canonical_order(names)
    return canonical if len(canonical) == len(names) else tuple(names)


def seed_of(random_state: Any) -> int:
    """An int as it is, so that it means what `--seeds` means; else a number that is drawn from it.

    Raises
    ------
    ValueError
        If it is none of what scikit-learn takes, as a number below 0.
    """
    drawn = check_random_state(random_state)
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(drawn.randint(2**31 - 1))


def held_back_rows(codes: npt.NDArray[np.intp], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows are validation rows: of each class with n > 1 rows `fraction` of them, from 1 to n - 1.

    Raises
    ------
    ValueError
        If the fraction is not between 0 and 1, or every class has one row.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"validation_fraction: expected a number between 0 and 1, found {fraction!r}")
    rng, held_back = np.random.default_rng(seed), np.zeros(len(codes), bool)
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        held_back[rows[: min(max(1, round(fraction * len(rows))), len(rows) - 1)]] = True
    if not held_back.any():
        raise ValueError(
            f"y: expected a class with 2 rows or more, to hold one back for validation, found {len(codes)} "
            "classes with one row each. Pass X_val and y_val"
        )
    return held_back


def require_directions(rows: LabelledRows) -> None:
    """ValueError if a feature has no direction: no encoder gives one, and no head can scale it."""
    lengths = np.linalg.norm(rows.features.astype(np.float64), axis=1)
    if len(short := np.flatnonzero(lengths < _SHORTEST)):
        raise ValueError(
            f"expected features with a direction, found {len(short)} of length zero, first {rows.ids[short[0]]}. "
            "Leave such rows out"
        )
