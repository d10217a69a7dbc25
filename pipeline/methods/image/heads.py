"""Heads that are image networks: they read the cached pixels, and no feature of a frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.images.augment import to_images
from pipeline.learning.head import Head, Inputs
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.backbones import PREDICT_ROWS, Backbone
from pipeline.methods.image.frames import means_of_input
from pipeline.methods.image.tower import OnTower, TunedTower

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["FineTuneHead", "ImageHead"]


class ImageHead(Head, kind="image"):
    """A backbone and a linear classifier: logits = W f + b, f the mean of the backbone's last maps.

    Of a clip f is the mean over its frames.

    Options: `backbone`, a name of `pipeline.methods.image.backbones`.
    """

    predict_rows = PREDICT_ROWS

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.backbone = Backbone(spec.options["backbone"])
        self.classifier = empty_linear(self.backbone.width, len(spec.classes))

    @property
    def size(self) -> int:
        """Pixels a side of the images that it reads."""
        return self.spec.inputs["pixels"][0]

    def reset(self, rng: torch.Generator) -> None:
        self.backbone.reset(rng)
        reset_linear(self.classifier, rng)

    def representation(self, inputs: Inputs) -> Tensor:
        return means_of_input(self, inputs, "pixels", lambda pixels: self.embed(to_images(pixels)))

    def logits(self, inputs: Inputs) -> Tensor:
        return self.classify(self.representation(inputs))

    def embed(self, images: Tensor) -> Tensor:
        """Normalised and perhaps augmented images, float32 (B, 3, S, S), to what is classified, float32 (B, D)."""
        features: Tensor = self.backbone(images)
        return features

    def classify(self, embedded: Tensor) -> Tensor:
        """Embedded images, or the means of embedded frames, float32 (B, D), to logits, float32 (B, C)."""
        logits: Tensor = self.classifier(embedded)
        return logits

    def image_logits(self, images: Tensor) -> Tensor:
        """Normalised and perhaps augmented images, float32 (B, 3, S, S), to logits, float32 (B, C)."""
        return self.classify(self.embed(images))


class FineTuneHead(OnTower, Head, kind="fine-tune"):
    """The network, and one linear layer on the feature as it gives it. Reads one output, `pixels` or `block-K`.

    It has no options.
    """

    def __init__(self, spec: HeadSpec, encoder: TorchEncoder) -> None:
        super().__init__(spec)
        self.tower = TunedTower(encoder, *spec.inputs)
        self.classifier = empty_linear(encoder.width, len(spec.classes))

    def reset(self, rng: torch.Generator) -> None:
        reset_linear(self.classifier, rng)

    def classify(self, features: Tensor) -> Tensor:
        """The network's features, float32 (B, D), to logits, float32 (B, C)."""
        logits: Tensor = self.classifier(features)
        return logits

    def representation(self, inputs: Inputs) -> Tensor:
        return self.features(inputs)

    def logits(self, inputs: Inputs) -> Tensor:
        return self.classify(self.features(inputs))
