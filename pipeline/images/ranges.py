"""From pixel values of any type to 8 bits, by stated ranges; values that none of them explains are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ImageError

__all__ = [
    "COLOURS_16",
    "FLOATS",
    "INTEGERS",
    "SHARES",
    "SIXTEEN_BITS",
    "TWELVE_BITS",
    "ValueRange",
    "eight_bits",
    "range_of",
    "unknown_range",
]

_UNKNOWN = "pixel range is not known"


@dataclass(frozen=True)
class ValueRange:
    """A range of pixel values, from black to white.

    Parameters
    ----------
    low, high : the value of black and of white
    overshoot : how far a resampling filter may have brought values beyond both; clipped
    least_max, most_min : the largest value is at least, and the smallest at most so much. A picture that leaves most of
        a range unused could be one of a narrower range, and would then be almost black.
    """

    low: float
    high: float
    overshoot: float = 0.0
    least_max: float = -inf
    most_min: float = inf

    def explains(self, smallest: float, largest: float) -> bool:
        """Whether all values between the two can be of this range, and of no narrower one."""
        inside = self.low - self.overshoot <= smallest and largest <= self.high + self.overshoot
        return inside and largest >= self.least_max and smallest <= self.most_min

    def scaled(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """The values as 0 to 255, rounded."""
        shares = (values.astype(np.float64) - self.low) / (self.high - self.low)
        pixels: npt.NDArray[np.uint8] = np.rint(shares.clip(0, 1) * 255).astype(np.uint8)
        return pixels


SHARES = ValueRange(0, 1, overshoot=0.1, least_max=1 / 16)
FLOATS = (
    SHARES,
    ValueRange(-1, 1, overshoot=0.2, most_min=-0.25),
    ValueRange(0, 255, overshoot=25.5, least_max=32),
)
TWELVE_BITS = ValueRange(0, 4095)
SIXTEEN_BITS = ValueRange(0, 65535, least_max=16384)
INTEGERS = (ValueRange(0, 255, least_max=32), SIXTEEN_BITS)
COLOURS_16 = ValueRange(0, 255, least_max=64)  # the upper bytes of 16-bit values
_BLACK = ValueRange(0, 1)


def eight_bits(values: npt.NDArray[Any], ranges: Sequence[ValueRange]) -> npt.NDArray[np.uint8]:
    """Pixel values as 8 bits, read by the one range that explains all of them.

    Parameters
    ----------
    values : integers or floats, any shape
    ranges : those that the source of the values may have; at most one explains any picture

    Returns
    -------
    uint8, the same shape
        Black where all values are 0, which every range has as its black, or nearly so.

    Raises
    ------
    ImageError
        If a value is not finite, or no range explains all values.
    """
    return range_of([values], ranges).scaled(values)


def range_of(parts: Iterable[npt.NDArray[Any]], ranges: Sequence[ValueRange]) -> ValueRange:
    """The one range that explains all values of a picture that comes in parts; raises as `eight_bits` does."""
    smallest, largest, dtype = inf, -inf, np.dtype(np.uint8)
    for part in parts:
        if not np.isfinite(part).all():
            raise ImageError("pixels are not finite")
        smallest, largest, dtype = min(smallest, float(part.min())), max(largest, float(part.max())), part.dtype
    if smallest == largest == 0:
        return _BLACK
    for value_range in ranges:
        if value_range.explains(smallest, largest):
            return value_range
    raise unknown_range(dtype, smallest, largest)


def unknown_range(dtype: np.dtype[Any], smallest: float, largest: float) -> ImageError:
    """The error for values that could be of several ranges, or of none."""
    return ImageError(
        f"{_UNKNOWN}: {dtype.name} from {smallest:g} to {largest:g} could be almost black, or of another unit; "
        "save it with 8 bits a channel"
    )
