"""`fer-stage query` over 300,000 rows as a whole command: a condition, neighbours of a row, an export."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from machine import show
from random_store import make_store
from timing import FER_STAGE, commands_in_turns

WIDTH = 512
WHERE = "split == 'test' and label == 'fear'"


def commands(n_rows: int) -> dict[str, tuple[str, ...]]:
    """What is asked; the neighbours are those of a row in the middle."""
    near = ("--near", f"images/{n_rows // 2 % 1000:03d}/face-{n_rows // 2:07d}.jpg")
    return {
        "where_csv_s": ("--where", WHERE, "--format", "csv"),
        "where_table_s": ("--where", WHERE),
        "near_id_s": (*near, "--k", "10"),
        "near_id_where_s": (*near, "--where", WHERE),
        "export_npy_s": ("--output", "out.npy"),
        "export_parquet_s": ("--output", "out.parquet"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--ending", choices=["zarr", "h5"], default="zarr")
    options = parser.parse_args()
    store = f"features/encoder/benchmark.{options.ending}"
    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder, store), options.rows, WIDTH)
        programs = {name: [FER_STAGE, "query", store, *args] for name, args in commands(options.rows).items()}
        programs |= {"import_cache_s": ["import cache"]}
        found = {name: round(value, 2) for name, value in commands_in_turns(folder, programs).items()}
    what = {"what": f"query, {options.rows} x {WIDTH} float16, .{options.ending}", "where": WHERE}
    show(what | found | {"targets": {"where_s": 2.0}})


if __name__ == "__main__":
    main()
