"""A full read and 256 random rows of a store, per backend, beside plain npy, h5py and zarr over the same numbers.

Ours reads whole shards, and checks every byte against the manifest; the peers check nothing, but for zarr's own CRC32C.
Full reads are given in seconds of CPU and of wall clock: ours is shared by as many threads as there are cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zarr
from machine import show
from random_store import make_store
from timing import in_turns, least_in_turns

from cache import Store

WIDTH, PICKED = 512, 256


def h5py_rows(path: Path, rows: Any) -> npt.NDArray[Any]:
    with h5py.File(path, "r") as file:
        return np.asarray(file["pooled"][0, rows])


def zarr_rows(path: Path, rows: Any) -> npt.NDArray[Any]:
    return np.asarray(zarr.open_array(path, path="pooled", mode="r").oindex[0, rows])


def full_read(stores: dict[str, Store], npy: Path, turns: int) -> dict[str, dict[str, float]]:
    return least_in_turns(
        {
            "npy": lambda: np.load(npy),
            "h5py": lambda: h5py_rows(stores["h5"].path, slice(None)),
            "zarr": lambda: zarr_rows(stores["zarr"].path, slice(None)),
            "store_h5": stores["h5"].select().numpy,
            "store_zarr": stores["zarr"].select().numpy,
        },
        turns,
    )


def random_rows(stores: dict[str, Store], npy: Path, rows: npt.NDArray[np.intp]) -> dict[str, float]:
    memmap, hot = np.load(npy, mmap_mode="r"), stores["zarr"].select().memmap()
    return in_turns(
        {
            "npy_memmap": lambda: memmap[rows],
            "h5py": lambda: h5py_rows(stores["h5"].path, rows),
            "zarr": lambda: zarr_rows(stores["zarr"].path, rows),
            "store_h5": lambda: stores["h5"].read(rows),
            "store_zarr": lambda: stores["zarr"].read(rows),
            "store_hot": lambda: hot[rows],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=10, help="of the full read; the least of them counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "features/encoder")
        stores = {ending: make_store(root / f"random.{ending}", options.rows, WIDTH) for ending in ("zarr", "h5")}
        np.save(npy := Path(folder, "random.npy"), stores["h5"].select().numpy())
        picked = np.sort(np.random.default_rng(1).choice(options.rows, PICKED, replace=False))
        full, some = full_read(stores, npy, options.turns), random_rows(stores, npy, picked)
    ratios = {
        f"store_{ending}_to_{library}_{time}": full[f"store_{ending}"][time] / full[library][time]
        for ending, library in (("h5", "h5py"), ("zarr", "zarr"))
        for time in ("cpu_s", "wall_s")
    } | {
        "hot_to_npy_memmap": some["store_hot"] / some["npy_memmap"],
    }
    show(
        {
            "what": f"{options.rows} x {WIDTH} float16, page cache warm",
            "full_read": full,
            f"{PICKED}_random_rows_ms": {name: round(1e3 * value, 3) for name, value in some.items()},
            "ratios": {name: round(value, 2) for name, value in ratios.items()},
        }
    )


if __name__ == "__main__":
    main()
