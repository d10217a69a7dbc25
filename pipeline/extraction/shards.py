"""What an extraction takes and what it gives: some rows of a table, stored together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import MismatchError
from pipeline.extraction.outputs import Output
from pipeline.images.reading import ImageRow

__all__ = ["Shard", "ShardFeatures"]


@dataclass(frozen=True, eq=False)
class Shard:
    """Rows of a table that are stored together.

    Parameters
    ----------
    number, rows : which rows
    jobs : what of them is to be encoded; may be nothing
    blocks : output name -> (V, rows, *row_shape); what the jobs ask for is filled in, everything else stays
    """

    number: int
    rows: range
    jobs: tuple[ImageRow, ...]
    blocks: Mapping[str, npt.NDArray[Any]]

    def check(self, outputs: Sequence[Output], n_views: int) -> None:
        """MismatchError if the blocks are not made for the outputs: a wrong dtype would be cast without a word."""
        for output in outputs:
            block = self.blocks[output.name]
            expected = (n_views, len(self.rows), *output.row_shape), np.dtype(output.dtype)
            if (block.shape, block.dtype) != expected:
                raise MismatchError(
                    f"block {output.name} of shard {self.number}: expected {expected[1]} {expected[0]}, found "
                    f"{block.dtype} {block.shape}. Make it with empty_blocks"
                )


@dataclass(frozen=True)
class ShardFeatures:
    """A shard whose jobs are done: its blocks, and row of the table -> why it was rejected."""

    number: int
    blocks: Mapping[str, npt.NDArray[Any]]
    rejected: Mapping[int, str]
