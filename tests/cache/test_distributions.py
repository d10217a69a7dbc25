"""Soft labels of a store: the column `distribution` as numbers, one share per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.errors import QueryError
from cache.places import as_path
from cache.store import Store, open_store
from cache.testing.example import Example

SPLIT = "train"


def store_with(tmp_path: Path, text: str) -> Store:
    """A store whose rows have a distribution over three classes, `text` in the first row of its train split."""
    example = Example()
    target = as_path(tmp_path / "example.zarr")
    writer = example.begin(target)
    example.put(writer, writer.pending)
    columns = example.columns
    texts = np.array(["0.5,0.25,0.25"] * example.n_rows, dtype=object)
    usable = (columns["split"] == SPLIT) & (columns["status"] == "ok")
    texts[np.flatnonzero(usable)[0]] = text
    about = {"name": "example", "classes": ["surprise", "fear", "neutral"]}
    writer.finish({**columns, "distribution": texts}, about, {"made_by": "a test"})
    return open_store(target)


def test_a_row_without_a_distribution_is_nan(tmp_path: Path) -> None:
    shares = store_with(tmp_path, "").distributions(SPLIT)
    assert np.isnan(shares[0]).all()
    np.testing.assert_array_equal(shares[1:], [[0.5, 0.25, 0.25]] * (len(shares) - 1))


@pytest.mark.parametrize("text", ["0.5,0.5", "0.5,0.5,0,0", "a,b,c", "0.5;0.25;0.25"])
def test_a_text_that_is_no_distribution_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(QueryError, match=f"column distribution: expected 3 numbers .*, found '{text}'"):
        store_with(tmp_path, text).distributions(SPLIT)
