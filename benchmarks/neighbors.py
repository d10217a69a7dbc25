"""Exact nearest rows of 300,000 x 512, once loaded and from the store, against plain numpy over float32 in RAM."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import show
from random_store import make_store
from timing import in_turns

from cache import open_store
from cache.neighbors import nearest

K, WIDTH = 10, 512


def plain(unit: npt.NDArray[np.float32], query: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """The named peer: all features normalised beforehand, float32 and in RAM; twice the store's size."""
    scores = unit @ query
    best = np.argpartition(-scores, K)[:K]
    return best[np.argsort(-scores[best])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        selection = make_store(Path(folder, "features/encoder/benchmark.zarr"), options.rows, WIDTH).select()
        loaded, hot = selection.numpy(), selection.memmap()
        unit = loaded.astype(np.float32)
        unit /= np.sqrt(np.einsum("md,md->m", unit, unit))[:, None]
        queries = np.random.default_rng(1).standard_normal((100, WIDTH), np.float32)
        query = queries[0] / np.linalg.norm(queries[0])
        same = bool((nearest(loaded, query, K).rows[0] == plain(unit, query)).all())
        calls = {
            "plain_numpy_s": lambda: plain(unit, query),
            "loaded_s": lambda: nearest(loaded, query, K),
            "hot_s": lambda: nearest(hot, query, K),
            "loaded_100_queries_s": lambda: nearest(loaded, queries, K),
            "from_store_s": lambda: open_store(selection.store.path).neighbors(query, K),
        }
        found = in_turns(calls)
    show(
        {"what": f"{K} nearest of {options.rows} x {WIDTH} float16, cosine", "same_rows_as_numpy": same}
        | {name: round(value, 3) for name, value in found.items()}
        | {"ratio_loaded": round(found["loaded_s"] / found["plain_numpy_s"], 2), "targets": {"loaded_s": 1.0}}
    )


if __name__ == "__main__":
    main()
