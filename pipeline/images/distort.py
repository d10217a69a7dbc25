"""Crops, rotations and colours for networks that are trained on cached pixels: drawn for every batch, then applied.

They come before `augment`, whose flips, noise and erasing `pipeline.images.views` can also cache; crops it cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import Augment

__all__ = ["Distort", "DistortAndAugment"]

# Rows: brightness and the two axes of colour of YIQ (NTSC), in which a rotation changes the hue and not the brightness.
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


@dataclass(frozen=True)
class Distort:
    """Strengths of the distortions; with the defaults nothing is changed.

    Parameters
    ----------
    crop_area : least and greatest share of the image that is cropped, then stretched over the whole square
    crop_aspect : least and greatest width / height of the crop, log-uniform; no side is longer than the image's
    angle : greatest rotation to either side, in degrees; the corners that come in repeat the image's edge
    brightness : greatest change of brightness, as a share of it
    hue : greatest rotation of the hue, in full turns
    """

    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_aspect: tuple[float, float] = (1.0, 1.0)
    angle: float = 0.0
    brightness: float = 0.0
    hue: float = 0.0

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Random parameters for each of `n` images.

        Returns
        -------
        place : float32, shape (n, 2, 3)
            Where in the image a point (x, y, 1) of the square is taken from, both from -1 to 1.
        colour : float32, shape (n, 3, 3)
            Factor on the (red, green, blue) of a point.
        """
        area, aspect, left, top, angle, brightness, hue = torch.rand(7, n, generator=rng)
        (small, large), (narrow, broad) = self.crop_area, self.crop_aspect
        area = small + (large - small) * area
        aspect = narrow * (broad / narrow) ** aspect
        width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
        centre = torch.stack([(2 * left - 1) * (1 - width), (2 * top - 1) * (1 - height)], dim=1)
        rotation = _rotations((2 * angle - 1) * math.radians(self.angle))
        place = torch.cat([rotation * torch.stack([width, height], dim=1)[:, None], centre[:, :, None]], dim=2)
        return {"place": place, "colour": self._colours(2 * brightness - 1, 2 * hue - 1)}

    def __call__(self, pixels: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Apply the parameters.

        Parameters
        ----------
        pixels : uint8, shape (B, S, S, 3)
        parameters : of `draw(B, rng)`

        Returns
        -------
        float32 in [0, 255], shape (B, S, S, 3)
        """
        images = pixels.float().permute(0, 3, 1, 2)
        if self.crop_area != (1.0, 1.0) or self.angle:
            grid = functional.affine_grid(parameters["place"], list(images.shape), align_corners=False)
            images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        coloured: Tensor = torch.einsum("bij,bjyx->byxi", parameters["colour"], images)  # (B, 3, S, S) -> (B, S, S, 3)
        return coloured.clamp(0, 255)

    def _colours(self, brightness: Tensor, hue: Tensor) -> Tensor:
        """Numbers in [-1, 1], shape (n,), to the matrix that changes a colour: (n, 3, 3)."""
        to_yiq = torch.tensor(_YIQ)
        rotation = torch.eye(3).repeat(len(hue), 1, 1)
        rotation[:, 1:, 1:] = _rotations(2 * math.pi * self.hue * hue)
        factor = (1 + self.brightness * brightness)[:, None, None]
        changes: Tensor = factor * (torch.linalg.inv(to_yiq) @ rotation @ to_yiq)
        return changes


@dataclass(frozen=True)
class DistortAndAugment:
    """All that is drawn for a batch of pixels: crop, rotation and colour, then noise, flip and erasing."""

    distort: Distort
    augment: Augment

    def draw(self, n: int, size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Random parameters for each of `n` images with `size` pixels a side."""
        return self.distort.draw(n, rng) | self.augment.draw(n, size, rng)

    def __call__(self, pixels: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Apply the parameters: uint8 (B, S, S, 3) -> float32 (B, 3, S, S), normalised as by `to_images`."""
        images: Tensor = self.augment(self.distort(pixels, parameters), parameters)
        return images


def _rotations(angles: Tensor) -> Tensor:
    """Rotations by `angles` in radians: (n,) -> (n, 2, 2)."""
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
