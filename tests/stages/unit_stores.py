"""Stores of rows that a test describes, written without an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.keys import StoreKey
from cache.schema import ArraySpec, Schema
from cache.store import Store, open_store
from cache.writing.writer import StoreWriter

__all__ = ["CLASSES", "digest", "write_store"]

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def digest(number: int) -> str:
    """A sha256 of the bytes of some image, as tables have it."""
    return f"{number:064x}"


def write_store(
    path: Path,
    frame: pd.DataFrame,
    pooled: npt.NDArray[Any],
    *,
    unit: str = "image",
    classes: Sequence[str] = CLASSES,
    dataset: str = "drawn",
) -> Store:
    """A store of these columns with a pooled feature for each row.

    Parameters
    ----------
    frame : with `id`, `label`, `split` and `status`, rows in the order of the store
    pooled : float16 or float32, shape (N, D)
    """
    arrays = (ArraySpec("pooled", pooled.shape[1:], str(pooled.dtype)),)
    key = StoreKey(dataset, {"family": "none"}, {"size": 4}, ("pooled",), {"count": 1}, "float32", str(pooled.dtype))
    writer = StoreWriter(path, key, Schema(len(frame), 1, arrays, len(frame)))
    writer.put(0, {"pooled": pooled[None]}, {})
    unit_field = {} if unit == "image" else {"unit": unit}
    columns = {name: frame[name].to_numpy() for name in frame}
    writer.finish(columns, {"name": dataset, "classes": list(classes), **unit_field}, {})
    return open_store(path)


def rows(n: int, **columns: Any) -> pd.DataFrame:
    """N usable rows of the train split with a sha256 each; `columns` replace or add some."""
    given = {
        "id": [f"row-{i}" for i in range(n)],
        "label": [CLASSES[i % len(CLASSES)] for i in range(n)],
        "split": ["train"] * n,
        "status": ["ok"] * n,
        "sha256": [digest(i) for i in range(n)],
    }
    frame = pd.DataFrame(given | columns)
    return frame.astype({name: object for name in frame if frame[name].dtype.kind not in "if"})


def features(n: int, width: int = 4) -> npt.NDArray[np.float32]:
    """Row i is i everywhere."""
    return np.repeat(np.arange(n, dtype=np.float32)[:, None], width, axis=1)
