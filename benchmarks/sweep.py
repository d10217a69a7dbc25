"""Ten seeds of a light head as one batch of networks, against the same ten one after the other."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from heads import CLASSES, make_store
from machine import show

from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.methods import config_class, load_method


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="feature-mask")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    given = parser.parse_args()
    method, config = load_method(given.method), config_class(given.method)(epochs=given.epochs)
    with tempfile.TemporaryDirectory() as folder:
        source = TrainingInputs(make_store(Path(folder, "benchmark.zarr")), CLASSES)
        start = time.perf_counter()
        together = dict(method.fit_many(source, [(config, seed) for seed in range(given.seeds)]))
        stacked = time.perf_counter() - start
        start = time.perf_counter()
        alone = [method.fit(source, config, seed) for seed in range(given.seeds)]
        single = time.perf_counter() - start
    show(
        {
            "what": f"{given.method}, {given.epochs} epochs, {given.seeds} seeds",
            "together_s": round(stacked, 2),
            "alone_s": round(single, 2),
            "ratio": round(single / stacked, 2),
            "largest_difference_of_weights": max(_difference(together[i], alone[i]) for i in range(given.seeds)),
            "largest_weight": max(float(value.abs().max()) for value in alone[0].head.state_dict().values()),
            "largest_difference_of_val_accuracy": max(
                abs(together[i].val.accuracy - alone[i].val.accuracy) for i in range(given.seeds)
            ),
        }
    )


def _difference(found: FitResult, expected: FitResult) -> float:
    """0 for the scale; heads of different selected epochs differ by more than rounding, and say so."""
    values = expected.head.state_dict()
    return max(float((value - values[name]).abs().max()) for name, value in found.head.state_dict().items())


if __name__ == "__main__":
    main()
