"""60 epochs of the feature mask at RAF-DB's size, from a store and from RAM."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import show

from cache import Store, open_store
from cache.keys import StoreKey
from cache.schema import ArraySpec, Schema
from cache.writer import StoreWriter
from pipeline.features import FeatureSource
from pipeline.methods import config_class, load_method
from pipeline.methods.protocol import Given
from pipeline.tables.labels import expressions

N_TRAIN, N_VAL, WIDTH = 12_271, 1_200, 512
CLASSES = expressions(7)


def make_store(path: Path) -> Store:
    """A store of random features with a little of the label in them."""
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_VAL
    labels = rng.integers(0, 7, n)
    features = (rng.normal(size=(1, n, WIDTH)) + 0.3 * rng.normal(size=(7, WIDTH))[labels]).astype(np.float16)
    schema = Schema.plan(n, 1, (ArraySpec("pooled", (WIDTH,), "float16"),))
    writer = StoreWriter(path, StoreKey("benchmark", {}, {}, ("pooled",), {"count": 1}, "float32", "float16"), schema)
    for shard in writer.pending:
        rows = schema.rows(shard)
        writer.put(shard, {"pooled": features[:, rows.start : rows.stop]}, {})
    text = {
        "id": [str(i) for i in range(n)],
        "label": [CLASSES[label] for label in labels],
        "split": ["train"] * N_TRAIN + ["val"] * N_VAL,
        "status": ["ok"] * n,
    }
    columns = {name: np.array(values, dtype=object) for name, values in text.items()}
    writer.finish(columns, {"name": "benchmark", "classes": list(CLASSES)}, {"encoder_note": ""})
    return open_store(path)


@dataclass(frozen=True)
class InRam:
    """The same source with everything read beforehand: the named peer."""

    store: Store
    arrays: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> Any:
        return self.arrays[split]


def fit_seconds(source: FeatureSource) -> float:
    method = load_method("feature-mask")
    start = time.perf_counter()
    method.fit(Given(source, CLASSES), config_class("feature-mask")(), seed=0)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder, "benchmark.zarr"))
        peer = InRam(store, {split: store.features(split) for split in ("train", "val")})
        fit_seconds(peer)  # warm up
        from_ram, from_store = fit_seconds(peer), fit_seconds(store)
        start = time.perf_counter()
        for split in ("train", "val"):
            store.features(split)
        load = time.perf_counter() - start
    show(
        {
            "what": f"feature-mask, 60 epochs, {N_TRAIN} x {WIDTH}",
            "from_ram_s": round(from_ram, 2),
            "from_store_s": round(from_store, 2),
            "load_s": round(load, 3),
            "ratio_after_load": round((from_store - load) / from_ram, 3),
            "targets": {"from_store_s": 30, "ratio_after_load": 1.1},
        }
    )


if __name__ == "__main__":
    main()
