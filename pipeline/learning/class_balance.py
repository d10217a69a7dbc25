"""How often the classes of a train split occur, and what a method makes of it: drawn equally often, or weighted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.learning.options import MethodConfig

__all__ = ["balanced_weights", "class_balance"]


def balanced_weights(labels: Tensor, n_classes: int) -> Tensor:
    """The weight of each class: N / (C * n) for a class of n of the N rows, and C classes that occur.

    As `class_weight="balanced"` of scikit-learn: the rows of every class that occurs have the same sum of weights,
    N / C, and all rows together N.

    Parameters
    ----------
    labels : int64 in [0, n_classes), shape (N,)

    Returns
    -------
    float32, shape (n_classes,); 0 for a class without a row
    """
    counts = torch.bincount(labels, minlength=n_classes)
    occurs = counts > 0
    weights = len(labels) / (occurs.sum() * counts.clamp(min=1)).double()
    return torch.where(occurs, weights, 0.0).float()


def class_balance(labels: Tensor, classes: Sequence[str], config: MethodConfig) -> dict[str, Any]:
    """What the record of a run states where a method evens the classes out; empty where it does not.

    Returns
    -------
    `class_balance` : {"rows": class -> train rows, and either or both of "draws": class -> rows that an epoch draws of
        it, on average, and "weights": class -> weight in the cross-entropy}; of classes that occur
    """
    is_drawn, is_weighted = bool(getattr(config, "balanced", False)), config.weighs_classes
    if not (is_drawn or is_weighted):
        return {}
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    present = [name for name, n in zip(classes, counts, strict=True) if n]
    balance: dict[str, dict[str, float]] = {"rows": {name: n for name, n in zip(classes, counts, strict=True) if n}}
    if is_drawn:
        balance["draws"] = {name: round(len(labels) / len(present), 1) for name in present}
    if is_weighted:
        weights = dict(zip(classes, balanced_weights(labels, len(classes)).tolist(), strict=True))
        balance["weights"] = {name: round(weights[name], 6) for name in present}
    return {"class_balance": balance}
