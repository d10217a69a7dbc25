"""Exact nearest rows of 300,000 x 512: ours over float16, against one numpy product over float32 rows, and faiss.

The peers' rows are normalised beforehand, float32 and in RAM: twice the size of ours. CPU seconds of each call, the
least of some turns, so that other processes on the machine count little; give all of them one thread with
OMP_NUM_THREADS=1. faiss is measured if it is installed (`faiss-cpu`, in an environment of its own on PYTHONPATH).
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import show
from random_store import make_store
from timing import least_in_turns

from cache import open_store
from cache.neighbors import FlatIndex, nearest

K, WIDTH, MANY = 10, 512, 1000
_PART = 100  # queries of one product of the peer: 300,000 scores each

Float32 = npt.NDArray[np.float32]


def products(unit: Float32, queries: Float32) -> None:
    """The named peer: the products alone, without the search for the largest."""
    for start in range(0, len(queries), _PART):
        queries[start : start + _PART] @ unit.T


def plain(unit: Float32, queries: Float32) -> npt.NDArray[np.intp]:
    """The same with the search, shape (Q, K)."""
    rows = []
    for start in range(0, len(queries), _PART):
        scores = queries[start : start + _PART] @ unit.T
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
        rows.append(np.take_along_axis(best, order, 1))
    return np.concatenate(rows)


def faiss_calls(unit: Float32, one: Float32, many: Float32) -> dict[str, dict[str, Callable[[], Any]]]:
    if importlib.util.find_spec("faiss") is None:
        return {"1": {}, "many": {}}
    import faiss  # type: ignore[import-not-found,unused-ignore]  # no dependency of ours

    index = faiss.IndexFlatIP(WIDTH)
    index.add(unit)
    return {"1": {"faiss": lambda: index.search(one, K)}, "many": {"faiss": lambda: index.search(many, K)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--queries", type=int, default=MANY)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        selection = make_store(Path(folder, "features/encoder/benchmark.zarr"), options.rows, WIDTH).select()
        loaded, hot = selection.numpy(), selection.memmap()
        unit = loaded.astype(np.float32)
        unit /= np.sqrt(np.einsum("md,md->m", unit, unit))[:, None]
        many = np.random.default_rng(1).standard_normal((options.queries, WIDTH), np.float32)
        one, index = many[:1], FlatIndex(loaded)
        peers = faiss_calls(unit, one, many)
        calls = {
            "product": lambda: products(unit, one),
            "plain": lambda: plain(unit, one),
            "index": lambda: index.nearest(one, K),
            "loaded": lambda: nearest(loaded, one, K),
            "memory_mapped": lambda: nearest(hot, one, K),
            "from_store": lambda: open_store(selection.store.path).neighbors(one, K),
        }
        calls_many = {
            "product": lambda: products(unit, many),
            "plain": lambda: plain(unit, many),
            "index": lambda: index.nearest(many, K),
        }
        same = float((index.nearest(many, K).rows == plain(unit, many)).mean())
        first = least_in_turns(calls | peers["1"], options.turns)
        second = least_in_turns(calls_many | peers["many"], 1)
    ratios = {"1": first["index"]["cpu_s"] / first["product"]["cpu_s"]}
    ratios[str(options.queries)] = second["index"]["cpu_s"] / second["product"]["cpu_s"]
    show(
        {"what": f"{K} nearest of {options.rows} x {WIDTH} float16, cosine", "rows_as_numpy": same}
        | {"1": first, str(options.queries): second}
        | {"index_to_product": {name: round(ratio, 2) for name, ratio in ratios.items()}, "targets": {"ratio": 2}}
    )


if __name__ == "__main__":
    main()
