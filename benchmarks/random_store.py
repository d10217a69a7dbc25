"""A store of random features with the columns that an extract writes: what the benchmarks of asking read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache import Store, open_store
from cache.keys import StoreKey
from cache.schema import ArraySpec, Schema
from cache.writer import StoreWriter
from pipeline.tables.labels import EXPRESSIONS

__all__ = ["make_store", "random_columns"]

_SPLITS = ("train", "train", "train", "val", "test")


def make_store(path: Path, n: int, width: int) -> Store:
    """`n` rows of float16, shape (1, n, width)."""
    rng = np.random.default_rng(0)
    schema = Schema.plan(n, 1, (ArraySpec("pooled", (width,), "float16"),))
    writer = StoreWriter(path, StoreKey("benchmark", {}, {}, ("pooled",), {"count": 1}, "float32", "float16"), schema)
    for shard in writer.pending:
        shape = (1, len(schema.rows(shard)), width)
        writer.put(shard, {"pooled": rng.standard_normal(shape, np.float32).astype(np.float16)}, {})
    writer.finish(random_columns(n, rng), {"name": "benchmark", "classes": list(EXPRESSIONS)}, {"encoder_note": ""})
    return open_store(path)


def random_columns(n: int, rng: np.random.Generator) -> dict[str, npt.NDArray[np.object_]]:
    digests = rng.bytes(32 * n).hex()
    text = {
        "id": [f"images/{i % 1000:03d}/face-{i:07d}.jpg" for i in range(n)],
        "path": [f"images/{i % 1000:03d}/face-{i:07d}.jpg" for i in range(n)],
        "label": [EXPRESSIONS[i] for i in rng.integers(0, len(EXPRESSIONS), n)],
        "split": [_SPLITS[i % len(_SPLITS)] for i in range(n)],
        "status": ["ok"] * n,
        "reason": [""] * n,
        "sha256": [digests[64 * i : 64 * i + 64] for i in range(n)],
        "subject": [f"person-{i // 30}" for i in range(n)],
    }
    return {name: np.array(values, dtype=object) for name, values in text.items()}
