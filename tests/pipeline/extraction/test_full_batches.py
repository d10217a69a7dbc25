"""Batches hold what was prepared, in order, each of the same size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extraction.batches import full_batches
from pipeline.images.prepare import ImageBatch


def prepared(start: int, n: int) -> ImageBatch:
    """Rows from `start` on; each square shows its row."""
    rows = np.arange(start, start + n)
    squares = {size: np.broadcast_to(rows.astype(np.uint8)[:, None, None, None], (n, size, size, 3)) for size in (2, 3)}
    return ImageBatch(rows, rows % 3, squares, {})


def all_prepared(sizes: Sequence[int]) -> list[ImageBatch]:
    return [prepared(sum(sizes[:i]), n) for i, n in enumerate(sizes)]


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 12))
def test_hold_everything_once_and_only_the_last_is_padded(sizes: list[int], batch_size: int) -> None:
    batches = list(full_batches(all_prepared(sizes), batch_size))
    assert [row for batch in batches for row in batch.rows.tolist()] == list(range(sum(sizes)))
    assert [len(batch.rows) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    for batch in batches:
        padding = batch_size - len(batch.rows)
        shown = [*batch.rows, *[batch.rows[-1]] * padding]
        assert batch.views.tolist() == [row % 3 for row in batch.rows]
        for size, squares in batch.squares.items():
            assert squares.shape == (batch_size, size, size, 3)
            assert squares[:, 0, 0, 0].tolist() == shown
            assert squares[:, -1, -1, -1].tolist() == shown


def test_of_what_fits_exactly_are_not_copied() -> None:
    (some,) = all_prepared([4])
    (batch,) = full_batches([some], 4)
    assert np.shares_memory(batch.squares[2], some.squares[2])
