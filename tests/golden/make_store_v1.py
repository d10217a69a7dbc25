"""python tests/golden/make_store_v1.py FOLDER: write store-v1.zarr and store-v1.h5 there, as the first version did.

The recipe is plain arithmetic, so that it says the same for ever. The stores beside this file are never made anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.keys import StoreKey
from cache.schema import ArraySpec, Schema
from cache.writing.writer import StoreWriter

N_ROWS, N_VIEWS, SHARD_ROWS = 7, 2, 3
REJECTED = {4: "cannot be decoded: «défaut»"}
ARRAYS = (
    ArraySpec("pooled", (5,), "float16"),
    ArraySpec("tokens", (2, 3), "float32"),
    ArraySpec("pixels", (2, 2, 3), "uint8"),
)
SCHEMA = Schema(N_ROWS, N_VIEWS, ARRAYS, SHARD_ROWS)
KEY = StoreKey(
    samples="c0ffee",
    encoder={"family": "mini", "weights": "decade"},
    preprocess={"resize": 4, "crop": 4},
    outputs=("pooled", "tokens", "pixels"),
    views={"n": N_VIEWS, "recipe": "flip", "seed": 0},
    precision="float32",
    dtype="float16",
)
COLUMNS: dict[str, npt.NDArray[Any]] = {
    "id": np.array([f"Müller/表情-{row}.png" for row in range(N_ROWS)], dtype=object),
    "label": np.array(["fear", "neutral", "fear", "surprise", "", "fear", "neutral"], dtype=object),
    "split": np.array(["train"] * 4 + ["val", "test", "test"], dtype=object),
    "status": np.array(["rejected" if row in REJECTED else "ok" for row in range(N_ROWS)], dtype=object),
    "reason": np.array([REJECTED.get(row, "") for row in range(N_ROWS)], dtype=object),
    "frame": np.arange(N_ROWS) - 1,
    "quality": np.array([0.5, np.nan, 0.25, 0, 1, 2, 3], np.float32),
}
DATASET = {"name": "golden", "classes": ["surprise", "fear", "neutral"]}
PROVENANCE = {"made_by": "make_store_v1"}


def values(array: ArraySpec) -> npt.NDArray[Any]:
    """A whole output, shape (V, N, *row_shape): eighths up to 31, exact in every dtype; rejected rows are missing."""
    shape = (N_VIEWS, N_ROWS, *array.row_shape)
    numbers = np.arange(np.prod(shape)) * 7 % 249
    found = (numbers / 8 if np.dtype(array.dtype).kind == "f" else numbers).reshape(shape).astype(array.dtype)
    found[:, list(REJECTED)] = array.missing
    return found


def write(target: Path) -> None:
    """Write the store at `target`; its ending chooses the backend."""
    writer = StoreWriter(target, KEY, SCHEMA)
    for shard in writer.pending:
        rows = SCHEMA.rows(shard)
        blocks = {array.name: values(array)[:, rows.start : rows.stop] for array in ARRAYS}
        writer.put(shard, blocks, {row: reason for row, reason in REJECTED.items() if row in rows})
    writer.finish(COLUMNS, DATASET, PROVENANCE)


if __name__ == "__main__":
    for ending in (".zarr", ".h5"):
        write(Path(sys.argv[1]) / f"store-v1{ending}")
