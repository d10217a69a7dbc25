"""float16 as float32 without a copy of everything: block by block, by integer operations.

numpy converts float16 value by value, at a tenth of the speed of a product over the same rows. The bits of a float16,
moved to where float32 has its exponent and fraction, are the same number times 2 ** -112; subnormal numbers too.
Infinity and NaN become finite, 65,536 and above after the multiplication: whoever computes with them must look for
these.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["NOT_FINITE", "Columns32", "Widening"]

NOT_FINITE = 65536.0
"""What an infinite or missing float16 is at least, in size, after it was widened."""

_SCALE = np.float32(2.0**112)
_KEEP = np.int32(-0x70002000)  # the sign, and the bits of a float16 where float32 has exponent and fraction

Columns32: TypeAlias = tuple[npt.NDArray[np.float32], ...]
"""All columns of some rows, in one array (M, D) or in those of even and of odd number, (M, D / 2) each."""


class Widening(threading.local):
    """Turns blocks of rows into float32. Each thread has buffers of its own, overwritten by its next block.

    Parameters
    ----------
    dtype, width : of the rows
    block_rows : of the largest block
    """

    def __init__(self, dtype: np.dtype[Any], width: int, block_rows: int) -> None:
        self.in_pairs = dtype == np.float16 and width % 2 == 0 and sys.byteorder == "little" and _keeps_subnormals()
        """Whether columns come as those of even and those of odd number."""
        if self.in_pairs:
            self._even, self._odd = np.empty((2, block_rows, width // 2), np.int32)

    @property
    def scale(self) -> np.float32:
        """What the result of `scaled` must be multiplied by."""
        return _SCALE if self.in_pairs else np.float32(1)

    def split(self, vectors: npt.NDArray[np.float32]) -> Columns32:
        """Other rows, such as queries, in the same columns as the blocks; copies."""
        return tuple(np.ascontiguousarray(vectors[:, i::2]) for i in (0, 1)) if self.in_pairs else (vectors,)

    def scaled(self, values: npt.NDArray[Any]) -> Columns32:
        """A block of rows, (M, D), as float32 divided by `scale`."""
        if not self.in_pairs:
            with np.errstate(over="ignore"):
                return (np.asarray(values, np.float32),)
        pairs = np.ascontiguousarray(values).view(np.int32)  # the even column in the lower half
        even, odd = self._even[: len(pairs)], self._odd[: len(pairs)]
        np.right_shift(pairs, 3, out=odd)
        np.bitwise_and(odd, _KEEP, out=odd)
        np.left_shift(pairs, 16, out=even)
        np.right_shift(even, 3, out=even)
        np.bitwise_and(even, _KEEP, out=even)
        return even.view(np.float32), odd.view(np.float32)

    def true(self, values: npt.NDArray[Any]) -> Columns32:
        """A block of rows, (M, D), as float32."""
        columns = self.scaled(values)
        if self.in_pairs:
            for part in columns:
                np.multiply(part, _SCALE, out=part)
        return columns


def _keeps_subnormals() -> bool:
    """Whether this processor computes with subnormal float32 numbers: a library may have told it to take 0 instead."""
    return bool(np.multiply(np.array([2.0**-140], np.float32), _SCALE)[0] == 2.0**-28)
