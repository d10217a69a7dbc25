"""Augmentations for networks that are trained on cached pixels: drawn for every batch, then applied.

`pipeline.images.views` has the same ones, drawn once and cached. Random parameters are data: a step repeats exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.images.preprocess import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["Augment", "to_images"]


def to_images(pixels: Tensor) -> Tensor:
    """Pixels as image networks take them: 0 to 1, minus ImageNet's mean, over its deviation.

    uint8 or float32 in [0, 255] (B, S, S, 3) -> float32 (B, 3, S, S)
    """
    mean, std = (torch.tensor(values, device=pixels.device) for values in (IMAGENET_MEAN, IMAGENET_STD))
    normalised = (pixels.float() / 255 - mean) / std
    return normalised.permute(0, 3, 1, 2).contiguous()  # (B, S, S, 3) -> (B, 3, S, S)


@dataclass(frozen=True)
class Augment:
    """Chances and strengths of the augmentations; with the names and defaults of `images.views.ViewRecipe`.

    Parameters
    ----------
    flip : chance of a mirror image
    noise : chance of Gaussian noise of variance `noise_variance` on 0..255 values
    erase : chance of one rectangle that covers `erase_area` of the image, its height / width in `erase_aspect`, and is
        0 after normalisation, which is the mean colour (RandomErasing)
    exclusive : whether an image is flipped, or gets noise, or neither, and never both (SCN, RUL)
    """

    flip: float = 0.5
    noise: float = 0.5
    noise_variance: float = 30.0
    erase: float = 0.5
    erase_area: tuple[float, float] = (0.02, 0.25)
    erase_aspect: tuple[float, float] = (0.3, 3.3)
    exclusive: bool = False

    def draw(self, n: int, size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Random parameters for each of `n` images with `size` pixels a side.

        Returns
        -------
        flipped : bool, shape (n,)
        noisy : int64, shape (k,): which images get noise
        noise : float32, shape (k, size, size, 3): theirs, on 0..255 values
        erased : int64, shape (n, 4): top, left, height, width of the rectangle; height 0 where nothing is erased
        """
        chances = torch.rand(2, n, generator=rng)
        flipped = chances[0] < self.flip
        # One number decides on both where they exclude each other: [0, flip) flips, [1 - noise, 1) gets noise.
        noisy = (chances[0] >= 1 - self.noise if self.exclusive else chances[1] < self.noise).nonzero()[:, 0]
        noise = torch.randn(len(noisy), size, size, 3, generator=rng) * math.sqrt(self.noise_variance)
        return {"flipped": flipped, "noisy": noisy, "noise": noise, "erased": self._draw_rectangles(n, size, rng)}

    def _draw_rectangles(self, n: int, size: int, rng: torch.Generator) -> Tensor:
        (low, high), (flat, tall) = self.erase_area, self.erase_aspect
        erased, area, aspect, top, left = torch.rand(5, n, generator=rng, dtype=torch.float64)
        area = (low + (high - low) * area) * size * size
        aspect = flat * (tall / flat) ** aspect  # log-uniform
        height = (area * aspect).sqrt().round().clamp(max=size) * (erased < self.erase)
        width = (area / aspect).sqrt().round().clamp(max=size)
        top, left = (top * (size - height + 1)).floor(), (left * (size - width + 1)).floor()
        return torch.stack([top, left, height, width], dim=1).long()

    def __call__(self, pixels: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Apply the parameters: noise, flip, normalisation, erasing.

        Parameters
        ----------
        pixels : uint8, or float32 in [0, 255], shape (B, S, S, 3)
        parameters : of `draw(B, S, rng)`

        Returns
        -------
        float32, shape (B, 3, S, S)
        """
        noisy = pixels.float().index_add(0, parameters["noisy"], parameters["noise"]).round().clamp(0, 255)
        images = to_images(torch.where(parameters["flipped"][:, None, None, None], noisy.flip(2), noisy))
        return images.masked_fill(_inside(parameters["erased"], images.shape[-1])[:, None], 0.0)


def _inside(rectangles: Tensor, size: int) -> Tensor:
    """Which pixels lie in each image's rectangle: int64 (B, 4) -> bool (B, S, S)."""
    top, left, height, width = rectangles[:, :, None].unbind(1)  # each (B, 1)
    steps = torch.arange(size, device=rectangles.device)
    rows, columns = (steps >= top) & (steps < top + height), (steps >= left) & (steps < left + width)
    inside: Tensor = rows[:, :, None] & columns[:, None, :]
    return inside
