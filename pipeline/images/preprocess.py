"""From a decoded picture to the square of pixels that an encoder sees. Runs in decode threads: no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ConfigError, ImageError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "MAX_SIZE", "Preprocess"]

Pixels = npt.NDArray[np.uint8]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

MAX_SIZE = 4096  # pixels of a side; the largest encoders take 1024
_MAX_PIXELS = 80_000_000  # of the resized picture, before its crop

_INTERPOLATIONS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocess:
    """Resize, crop and normalise, as the encoder was trained. Part of a store's key.

    Parameters
    ----------
    size : side of the square, pixels
    resize : `shortest` (short side to `size`, centre crop: CLIP) or `squash` (both sides, aspect ignored: CAFE's code)
    interpolation : `bicubic`, `bilinear` or `lanczos`, antialiased (Pillow)
    mean, std : per channel, of values in [0, 1]; applied by the encoder, on its device

    Raises
    ------
    ConfigError
        If one of them is none of these; a mean or std of values in [0, 255] is not divided, but refused.
    """

    size: int
    resize: str = "shortest"
    interpolation: str = "bicubic"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.resize not in ("shortest", "squash"):
            raise ConfigError(f"resize: expected shortest or squash, found {self.resize!r}")
        if self.interpolation not in _INTERPOLATIONS:
            raise ConfigError(f"interpolation: expected {', '.join(_INTERPOLATIONS)}, found {self.interpolation!r}")
        if not (all(0 <= value <= 1 for value in self.mean) and all(0 < value <= 1 for value in self.std)):
            raise ConfigError(
                f"mean and std: expected values of channels in [0, 1], std above 0, found {self.mean} and {self.std}. "
                "Divide those of values in [0, 255] by 255"
            )

    def with_size(self, size: int) -> Preprocess:
        return replace(self, size=size)

    def as_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The preprocessing that a store or a head records; its entries of decoder and alignment are ignored.

        Raises
        ------
        ConfigError
            If a field is missing, or is none that `as_json` writes.
        """
        fields_of_class = {name: value for name, value in record.items() if name in cls.__dataclass_fields__}
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields_of_class.items()}
        _require_types(fields)
        return cls(**fields)

    def __call__(self, image: Pixels) -> Pixels:
        """uint8 (H, W, 3) -> uint8 (size, size, 3). See `square`."""
        return self.square(Image.fromarray(image))

    def square(self, picture: Image.Image) -> Pixels:
        """A picture of mode RGB -> uint8 (size, size, 3), equal to open_clip's own transform before its ToTensor.

        Raises
        ------
        ImageError
            If the picture is so narrow that its long side, resized with the short one, would fill the memory.
        """
        width, height = self._resized(picture.size)
        if width * height > _MAX_PIXELS:
            raise ImageError("image is too narrow")
        picture = picture.resize((width, height), _INTERPOLATIONS[self.interpolation])
        if width == height:
            return np.asarray(picture)
        left, top = (round((side - self.size) / 2.0) for side in picture.size)
        return np.asarray(picture.crop((left, top, left + self.size, top + self.size)))

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        if self.resize == "squash":
            return self.size, self.size
        short, long = sorted(size)
        scaled = int(self.size * long / short)
        return (self.size, scaled) if size[0] <= size[1] else (scaled, self.size)


def _require_types(fields: Mapping[str, Any]) -> None:
    """ConfigError unless these are the fields of a Preprocess; their values are checked by the class."""
    size = fields.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_SIZE:
        raise ConfigError(f"size: expected a whole number of pixels from 1 to {MAX_SIZE}, found {size!a:.60}")
    for name in ("resize", "interpolation"):
        if not isinstance(fields.get(name, ""), str):
            raise ConfigError(f"{name}: expected a text, found {fields[name]!a:.60}")
    for name in ("mean", "std"):
        values = fields.get(name, (0.5, 0.5, 0.5))
        numbers = isinstance(values, tuple) and all(isinstance(value, int | float) for value in values)
        if not numbers or len(values) != 3:
            raise ConfigError(f"{name}: expected three numbers, one for each channel, found {values!a:.60}")
