"""What every head is: logits from raw features, whole arrays at a time or a batch with gradients."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.errors import MismatchError
from pipeline.models.layers import FeatureScale

if TYPE_CHECKING:
    from pipeline.features import FeatureSource
    from pipeline.models.spec import HeadSpec

__all__ = ["Head"]

_PREDICT_ROWS = 8192


class Head(nn.Module, ABC):
    """Raw features to logits. A new one has no values: `reset` draws them, or `unpack` loads them."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.scale = FeatureScale(spec.scale, spec.width)

    @abstractmethod
    def reset(self, rng: torch.Generator) -> None:
        """Draw the first weights."""

    @abstractmethod
    def logits(self, scaled: Tensor) -> Tensor:
        """Scaled features, float32 (B, D), to float32 (B, C)."""

    def forward(self, features: Tensor) -> Tensor:
        """Raw features to logits.

        Parameters
        ----------
        features : float32, shape (B, D)
            As the encoder gave them; the head scales them itself.

        Returns
        -------
        float32, shape (B, C), in the order of `spec.classes`

        Raises
        ------
        MismatchError
            If the features are not D wide.
        """
        self._require_width(features.shape[-1], "the given features")
        logits: Tensor = self.logits(self.scale(features))
        return logits

    @torch.no_grad()
    def predict(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Logits of any number of rows: float16 or float32 (N, D) to float32 (N, C)."""
        self.eval()
        starts = range(0, len(features), _PREDICT_ROWS)
        chunks = [torch.tensor(features[i : i + _PREDICT_ROWS], dtype=torch.float32) for i in starts]
        empty = np.empty((0, len(self.spec.classes)), dtype=np.float32)
        return np.concatenate([empty, *(self(chunk).numpy() for chunk in chunks)])

    def require(self, source: FeatureSource) -> None:
        """Refuse features of another encoder.

        Raises
        ------
        MismatchError
            If width or encoder identity differ; the message names the fields.
        """
        where = f"features of {source.dataset} (key {source.key})"
        self._require_width(source.width(), where)
        ours, theirs = (json.loads(json.dumps(dict(encoder))) for encoder in (self.spec.encoder, source.encoder))
        fields = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        if fields:
            differences = "; ".join(
                f"{name}: expected {ours.get(name)!r}, found {theirs.get(name)!r}" for name in fields
            )
            raise MismatchError(
                f"{where} come from another encoder than the head's. {differences}. "
                "Extract the dataset with the head's encoder, or train a head on these features"
            )

    def _require_width(self, found: int, where: str) -> None:
        if found != self.spec.width:
            raise MismatchError(
                f"{where}: the head expects features of width {self.spec.width}, found {found}. "
                "Use features of the encoder that the head was trained on"
            )
