"""Views: deterministic variants of an image, so that augmented features can be cached.

View 0 is the plain image. Views 1..V-1 are drawn once from (seed, image digest, box, view) and are then the same in
every epoch, which is the cost of a cache; the papers draw them again in each epoch.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["ViewRecipe", "view_rng"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ViewRecipe:
    """Chances and strengths of the augmentations; the defaults are those of the papers' public code.

    Parameters
    ----------
    flip : chance of a mirror image (CAFE, CLIPER)
    noise : chance of Gaussian noise of variance `noise_variance` on 0..255 values (CAFE)
    erase : chance of one erased rectangle that covers `erase_area` of the image, in `fill` (CAFE: RandomErasing,
        value 0 after normalisation, which is the mean colour)
    colour : chance of a change of brightness by up to `brightness` and of hue by up to `hue` turns (CLIPER)
    """

    version: int = 1
    flip: float = 0.5
    noise: float = 0.5
    noise_variance: float = 30.0
    erase: float = 0.5
    erase_area: tuple[float, float] = (0.02, 0.25)
    erase_aspect: tuple[float, float] = (0.3, 3.3)
    colour: float = 0.5
    brightness: float = 0.4
    hue: float = 0.3

    def as_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def before_resize(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Noise and colour, which act on the picture as it was taken. uint8 (H, W, 3) -> same."""
        if rng.random() < self.noise:
            noisy = image + rng.normal(0.0, self.noise_variance**0.5, image.shape)
            image = noisy.round().clip(0, 255).astype(np.uint8)
        if rng.random() < self.colour:
            image = _shift_colour(
                image, rng.uniform(-self.brightness, self.brightness), rng.uniform(-self.hue, self.hue)
            )
        return image

    def after_resize(self, image: Pixels, rng: np.random.Generator, fill: tuple[int, ...]) -> Pixels:
        """Flip and erasing, which act on the encoder's square. uint8 (S, S, 3) -> same."""
        if rng.random() < self.flip:
            image = image[:, ::-1]
        if rng.random() < self.erase:
            image = self._erased(image, rng, fill)
        return np.ascontiguousarray(image)

    def _erased(self, image: Pixels, rng: np.random.Generator, fill: tuple[int, ...]) -> Pixels:
        height, width = image.shape[:2]
        area = rng.uniform(*self.erase_area) * height * width
        aspect = np.exp(rng.uniform(*np.log(self.erase_aspect)))
        h = min(height, round((area * aspect) ** 0.5))
        w = min(width, round((area / aspect) ** 0.5))
        top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        image = image.copy()
        image[top : top + h, left : left + w] = fill
        return image


def _shift_colour(image: Pixels, brightness: float, hue: float) -> Pixels:
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 0] = hsv[..., 0] + np.uint8(round(hue * 256) % 256)  # wraps, as hue does
    hsv[..., 2] = (hsv[..., 2] * (1 + brightness)).round().clip(0, 255)
    height, width = hsv.shape[:2]
    return np.asarray(Image.frombytes("HSV", (width, height), hsv.tobytes()).convert("RGB"))


def view_rng(seed: int, digest: str, box: tuple[int, ...] | None, view: int) -> np.random.Generator:
    """The randomness of one view of one image: independent of its id, its row and its dataset.

    Digest and box identify the sample, so that a row's features can be reused wherever the image occurs.
    """
    name = f"{seed}/{digest}/{box}/{view}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big"))
