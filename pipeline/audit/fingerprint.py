"""What a decoded picture is compared by: the digest of its pixels, and a perceptual hash with its contrast."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["FINGERPRINT_VERSION", "HASH_BITS", "MIN_CONTRAST", "Fingerprint", "fingerprint", "perceptual_hash"]

FINGERPRINT_VERSION = 1  # raised where another code gives another digest or hash
HASH_BITS = 64
MIN_CONTRAST = 1.0
"""Grey values: below it a picture's hash is that of its noise. The flattest of 42,000 real faces has 7.9."""

_SIDE, _FREQUENCIES = 32, 8


def _cosines() -> npt.NDArray[np.float64]:
    """Rows 1 to 8 of the orthonormal DCT-II of 32 values, shape (8, 32)."""
    frequency, position = np.arange(1, _FREQUENCIES + 1)[:, None], np.arange(_SIDE)[None, :]
    return np.asarray(np.sqrt(2 / _SIDE) * np.cos(np.pi * frequency * (2 * position + 1) / (2 * _SIDE)))


_COSINES = _cosines()


@dataclass(frozen=True)
class Fingerprint:
    """Of one picture.

    Parameters
    ----------
    pixels : sha256 of width, height and RGB values
    phash : see `perceptual_hash`
    contrast : of the frequencies that the hash is of, grey values (root mean square)
    """

    pixels: str
    phash: int
    contrast: float


def fingerprint(picture: Image.Image) -> Fingerprint:
    """Of a decoded picture, mode RGB, upright, and cut to its box where it has one."""
    pixels = hashlib.sha256(f"{picture.width} {picture.height} RGB\n".encode())
    pixels.update(picture.tobytes())
    return Fingerprint(pixels.hexdigest(), *perceptual_hash(picture))


def perceptual_hash(picture: Image.Image) -> tuple[int, float]:
    """The 64-bit DCT hash of a picture, and its contrast.

    The grey picture is resized to 32 x 32, whatever its shape. Of its discrete cosine transform the 8 x 8 lowest
    frequencies are taken that vary in both directions; a bit says whether a coefficient is above the median of the 64.
    So 32 bits are set, and two hashes differ in an even number of bits. Brightness, contrast, size and compression
    change few bits; a crop by some percent, a rotation or a mirrored copy changes about half of them.

    Returns
    -------
    hash in [0, 2**64), contrast >= 0
    """
    grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    coefficients = (_COSINES @ grey @ _COSINES.T).ravel()
    bits = coefficients > np.median(coefficients)
    contrast = float(np.sqrt((coefficients**2).sum()) / _SIDE)
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), contrast
