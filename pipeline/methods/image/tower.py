"""Heads in which the encoder's own image network is trained: wholly, from pixels, or its tail, from a block's input."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from pipeline.learning.head import Head, Inputs
from pipeline.methods.image.frames import means_of_input

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["OnTower", "TunedTower"]

_BLOCK = "block-"


class TunedTower(nn.Module):
    """A copy of an encoder's image network that can be trained; the encoder itself stays as it is.

    It always computes as at extraction, in training too: no dropout, and batch norms keep their statistics. So the
    first step starts at the cached feature, a batch may be a single row, and nothing draws a random number.

    Parameters
    ----------
    encoder : TorchEncoder
    output : `pixels`, for the whole network, or `block-K`, for what comes from block K on

    Raises
    ------
    EncoderError
        If the encoder offers no such block.
    """

    def __init__(self, encoder: TorchEncoder, output: str) -> None:
        super().__init__()
        self.output = output
        tail = output.startswith(_BLOCK)
        network = encoder.tail(int(output.removeprefix(_BLOCK))) if tail else encoder.tower.model
        self.model = copy.deepcopy(network).requires_grad_(True).eval()
        preprocess = encoder.preprocess
        self.size = preprocess.size
        self.mean, self.std = (
            nn.Buffer(torch.tensor(values).view(1, 3, 1, 1), persistent=False)
            for values in (preprocess.mean, preprocess.std)
        )

    def train(self, mode: bool = True) -> TunedTower:
        return super().train(False)

    def features(self, inputs: Inputs) -> Tensor:
        """Pixels uint8 (B, S, S, 3), or activations float32 (B, T, W), or augmented images, to features float32 (B, D).

        Augmented `images` are float32 (B, 3, S, S) as `pipeline.images.augment` gives them. Squares of another side
        than the encoder's are resized: bilinear and antialiased, where extraction resizes the picture itself. Their
        features are then near the cached ones, not equal.
        """
        if "images" in inputs:
            features: Tensor = self(self._renormalised(inputs["images"]))
        elif self.output == "pixels":
            features = self(self._normalised(inputs["pixels"]))
        else:
            features = self(inputs[self.output])
        return features

    def forward(self, embedded: Tensor) -> Tensor:
        """What the network itself takes, images in its own mean and deviation or activations, to features (B, D)."""
        result = self.model(embedded)
        features: Tensor = result[0] if isinstance(result, tuple) else result  # some return their tokens too
        return features

    def _normalised(self, pixels: Tensor) -> Tensor:
        images = self._resized(pixels.permute(0, 3, 1, 2).to(torch.float32)) / 255
        return (images - self.mean) / self.std

    def _renormalised(self, images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return (self._resized(images) * std + mean - self.mean) / self.std

    def _resized(self, images: Tensor) -> Tensor:
        if images.shape[-1] == self.size:
            return images
        return functional.interpolate(images, size=(self.size, self.size), mode="bilinear", antialias=True)


class OnTower(Head):
    """What heads share that are trained with their network."""

    predict_rows: ClassVar[int] = 256
    needs_encoder: ClassVar[bool] = True
    tower: TunedTower

    def features(self, inputs: Inputs) -> Tensor:
        """Faces, as the store holds them or augmented (`images`), to the network's features, float32 (B, D).

        Those of a clip are the means over its frames.
        """
        name = self.tower.output
        if "images" in inputs:
            return self.tower.features(inputs)
        return means_of_input(self, inputs, name, lambda values: self.tower.features({name: values}))
