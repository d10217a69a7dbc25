"""Soft labels: for each row the share of every class, from the distributions that a dataset has."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.sources import FeatureSource, SoftLabelSource

__all__ = ["soft_labels"]

_ADVICE = (
    "Index the dataset by a rule that gives distributions, such as rule=probability of ferplus, and extract it again; "
    "or train with targets=labels"
)


def soft_labels(source: FeatureSource, split: str, ids: npt.NDArray[np.str_], classes: tuple[str, ...]) -> Tensor:
    """The share of each of `classes` in some rows of a split: float32, shape (N, C), every row sums to 1.

    Shares of other classes of the dataset are left out, and the rest is scaled to sum to 1.

    Parameters
    ----------
    ids : of the rows, in the order of the split
    classes : C classes of the head

    Raises
    ------
    TrainingError
        If the source has no distributions, or a row has none or no share of these classes.
    """
    where = f"{source.dataset} {split}"
    if not isinstance(source, SoftLabelSource):
        raise TrainingError(f"{where}: expected a distribution for every row, found a source without any. {_ADVICE}")
    given = _of_classes(source.distributions(split), source.classes, classes)
    values = given[np.isin(source.ids(split), ids)]
    totals = values.sum(axis=1, keepdims=True)
    if len(bad := ids[~(totals[:, 0] > 0)]):  # NaN is not greater either
        raise TrainingError(
            f"{where}: expected a distribution over {', '.join(classes)} for every row, found none for {len(bad)} of "
            f"{len(ids)}, first {bad[0]}. {_ADVICE}"
        )
    return torch.from_numpy((values / totals).astype(np.float32))


def _of_classes(
    values: npt.NDArray[np.float64], of_dataset: tuple[str, ...], classes: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """The columns of `classes`, 0 for those that the dataset lacks; NaN in rows without a distribution."""
    columns: list[Any] = [
        values[:, of_dataset.index(name)] if name in of_dataset else np.where(np.isnan(values[:, 0]), np.nan, 0.0)
        for name in classes
    ]
    return np.stack(columns, axis=1)
