"""Features in arrays as a `FeatureSource`: for programs that have no store, such as estimators of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError

__all__ = ["ArraySource", "LabelledRows"]


class LabelledRows(NamedTuple):
    """The rows of one split.

    Parameters
    ----------
    features : float, shape (N, D)
    labels : str, shape (N,)
    ids : str, shape (N,): what messages call the rows
    """

    features: npt.NDArray[np.floating[Any]]
    labels: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]


@dataclass(frozen=True)
class ArraySource:
    """A `FeatureSource` whose rows have pooled features alone, in the plain view.

    Parameters
    ----------
    splits : split -> its rows; `train` and `val` for training
    classes : C names, the order of the logits
    encoder : identity of the encoder that made the features, as far as it is known
    dataset : its name in messages, and in the head
    """

    splits: Mapping[str, LabelledRows]
    classes: tuple[str, ...]
    encoder: Mapping[str, Any]
    dataset: str = "arrays"

    @property
    def key(self) -> str:
        """Empty: what made the features is not known."""
        return ""

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        """(D,).

        Raises
        ------
        ConfigError
            If the output is another one than `pooled`.
        """
        if output != "pooled":
            raise ConfigError(f"{self.dataset}: expected a method on pooled features, found one that reads {output}")
        return tuple(next(iter(self.splits.values())).features.shape[1:])

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return self.splits[split].labels

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return self.splits[split].ids

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        self.row_shape(output)
        return self.splits[split].features

    def n_views(self) -> int:
        return 1

    def rejected(self, split: str) -> int:
        return 0
