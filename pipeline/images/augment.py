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

__all__ = ["Augment", "of_rows", "to_images"]

# Per channel: (v / 255 - mean) / deviation = factor * v + shift.
_FACTOR = [1 / (255 * deviation) for deviation in IMAGENET_STD]
_SHIFT = [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]


def to_images(pixels: Tensor) -> Tensor:
    """Pixels as image networks take them: 0 to 1, minus ImageNet's mean, over its deviation.

    uint8 or float32 in [0, 255] (B, S, S, 3) -> float32 (B, 3, S, S), channels last in memory, as pixels are
    """
    return _normalised(pixels.float())


def _normalised(values: Tensor, *, in_place: bool = False) -> Tensor:
    """float32 in [0, 255] (B, S, S, 3) -> float32 (B, 3, S, S): (v / 255 - mean) / deviation as one product and sum.

    `in_place` overwrites `values`, which the result then is a view of.
    """
    size = values.shape[2]
    factor, shift = (
        torch.tensor([numbers * size], device=values.device)  # (1, S * 3): long rows, where 3 channels are slow
        for numbers in (_FACTOR, _SHIFT)
    )
    flat = values.flatten(2)
    normalised = torch.addcmul(shift, flat, factor, out=flat if in_place else None)
    return normalised.view(values.shape).permute(0, 3, 1, 2)  # (B, S, S * 3) -> (B, 3, S, S)


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
        noise = torch.randn(len(noisy), size, size, 3, generator=rng).mul_(math.sqrt(self.noise_variance))
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
        values = pixels.to(torch.float32, copy=True)  # what follows works in place: no other copies of the batch
        values.index_add_(0, parameters["noisy"], parameters["noise"]).round_().clamp_(0, 255)
        flipped = parameters["flipped"].nonzero()[:, 0]
        values.index_copy_(0, flipped, values.index_select(0, flipped).flip(2))
        images = _normalised(values, in_place=True)
        _erase_(images.permute(0, 2, 3, 1), parameters["erased"])  # (B, 3, S, S) -> (B, S, S, 3), the same memory
        return images


def of_rows(parameters: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """What was drawn for some images, as `Augment` and `Distort` take it for others: one draw for all frames of a clip.

    Parameters
    ----------
    parameters : of n images
    rows : int64 in [0, n), shape (m,): the image whose draw each of m others gets
    """
    drawn = {name: values[rows] for name, values in parameters.items() if name not in ("noisy", "noise")}
    if "noisy" not in parameters:
        return drawn
    noisy = parameters["noisy"]
    of_noise = torch.full((int(rows.max()) + 1 if len(rows) else 0,), -1, device=rows.device)
    inside = noisy < len(of_noise)
    of_noise[noisy[inside]] = torch.arange(len(noisy), device=rows.device)[inside]
    chosen = of_noise[rows]
    return drawn | {"noisy": (chosen >= 0).nonzero()[:, 0], "noise": parameters["noise"][chosen[chosen >= 0]]}


def _erase_(images: Tensor, rectangles: Tensor) -> None:
    """Set each image's rectangle to 0, in place: float32 (B, S, S, 3), contiguous; int64 (B, 4)."""
    top, left, height, width = rectangles[:, :, None].unbind(1)  # each (B, 1)
    steps = torch.arange(images.shape[1], device=images.device)
    rows = ((steps >= top) & (steps < top + height)).float()
    columns = ((steps >= left) & (steps < left + width)).float().repeat_interleave(3, dim=1)  # (B, S * 3)
    inside = rows[:, :, None] * columns[:, None]
    images.flatten(2).addcmul_(images.flatten(2), inside, value=-1)  # v - v is 0, v - 0 is v: exact
