"""Classification by similarity to text vectors, which travel with the head."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import MismatchError
from pipeline.images.augment import to_images
from pipeline.learning.head import Head, Inputs
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.backbones import PREDICT_ROWS, Backbone
from pipeline.methods.image.frames import means_of_input
from pipeline.methods.image.tower import OnTower, TunedTower

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["ImageTextHead", "TextHead", "TextSimilarityHead", "TunedTextHead"]


class TextHead(Head):
    """A face's feature is brought into the space of the text vectors; the nearest text names the class.

    Equation: logits[b, c] = cos(t_c, v_b) / temperature   [KE-FER, Eq. 4]

    Options: `text_width`, `projection` (linear, or none where the widths are equal), `temperature`, and `aligned`
    (whether features and text are of one model, so that a square projection starts as the identity).

    Parameters
    ----------
    spec : HeadSpec
    width : D of what `features` gives

    Raises
    ------
    MismatchError
        If there is no projection between different widths.
    """

    text: Tensor

    def __init__(self, spec: HeadSpec, width: int) -> None:
        super().__init__(spec)
        self.text_width: int = spec.options["text_width"]
        self.temperature: float = spec.options["temperature"]
        self.project: nn.Module = nn.Identity()
        if spec.options["projection"] == "linear":
            self.project = empty_linear(width, self.text_width)
        elif width != self.text_width:
            raise MismatchError(
                f"text head without projection: expected features as wide as the text, {self.text_width}, found "
                f"{width}. Use a head with a projection (kefer's projection: linear), or the text of the same encoder"
            )
        self.register_buffer("text", torch.zeros(len(spec.classes), self.text_width))

    @abstractmethod
    def features(self, inputs: Inputs) -> Tensor:
        """Faces, as the store holds them or augmented (`images`), to their features, float32 (B, width)."""

    def reset(self, rng: torch.Generator) -> None:
        """Start as the identity (zero-shot) where features and text are of one model, else at random."""
        if isinstance(self.project, nn.Linear):
            reset_linear(self.project, rng)
            if self.spec.options["aligned"] and self.project.in_features == self.text_width:
                nn.init.eye_(self.project.weight)
                nn.init.zeros_(self.project.bias)

    def set_text(self, vectors: npt.NDArray[np.float32]) -> None:
        """Take one text per class, float32 (C, text_width), or T of them, (T, C, text_width), of any length.

        A class of several texts gets the mean of their cosines: an ensemble of logits. It is held as the mean of
        their unit vectors, which is shorter than one where they differ.
        """
        unit = functional.normalize(torch.from_numpy(np.array(vectors)).reshape(-1, *self.text.shape), dim=-1)
        self.text.copy_(unit.mean(dim=0))

    def embed(self, features: Tensor) -> Tensor:
        """Features to the space of the text: float32 (B, width) -> (B, text_width)."""
        vectors: Tensor = self.project(features)
        return vectors

    def representation(self, inputs: Inputs) -> Tensor | None:
        return self.embed(self.features(inputs))

    def logits(self, inputs: Inputs) -> Tensor:
        vectors = functional.normalize(self.embed(self.features(inputs)), dim=1)
        return vectors @ self.text.T / self.temperature


class TextSimilarityHead(TextHead, kind="text-similarity"):
    """The cached feature, scaled, against the text: see `TextHead`."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec, spec.width)

    def features(self, inputs: Inputs) -> Tensor:
        scaled: Tensor = self.scale(inputs["pooled"])
        return scaled

    def representation(self, inputs: Inputs) -> Tensor | None:
        return super().representation(inputs) if isinstance(self.project, nn.Linear) else None


class ImageTextHead(TextHead, kind="image-text"):
    """The feature of an image network, trained from its initial weights on pixels, against the text: see `TextHead`.

    Options: also `backbone`, a name of `pipeline.methods.image.backbones`.
    """

    predict_rows: ClassVar[int] = PREDICT_ROWS

    def __init__(self, spec: HeadSpec) -> None:
        backbone = Backbone(spec.options["backbone"])
        super().__init__(spec, backbone.width)
        self.backbone = backbone

    def reset(self, rng: torch.Generator) -> None:
        self.backbone.reset(rng)
        super().reset(rng)

    def features(self, inputs: Inputs) -> Tensor:
        if "images" in inputs:
            features: Tensor = self.backbone(inputs["images"])
            return features
        return means_of_input(self, inputs, "pixels", lambda pixels: self.backbone(to_images(pixels)))


class TunedTextHead(OnTower, TextHead, kind="tuned-text"):
    """The network's feature against text vectors: see `TextHead`. Reads one output, `pixels` or `block-K`."""

    def __init__(self, spec: HeadSpec, encoder: TorchEncoder) -> None:
        super().__init__(spec, encoder.width)
        self.tower = TunedTower(encoder, *spec.inputs)
