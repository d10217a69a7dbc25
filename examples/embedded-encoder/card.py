"""The table of mini's model card, from scores that the graph measured; nothing in it is typed by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from settings import TRAINED_ON

from cache import open_store
from pipeline.footnotes import LEGEND, footnoted

DATASETS = ("ferplus", "muxspace", "sample-a", "sample-b", "sample-c", "sample-d", "sample-e")
_HEAD = (
    "| test split of | images | chance | majority | `untrained` zero-shot | **mini zero-shot** | in float32 "
    "| `untrained` linear probe | **mini linear probe** |"
)


def main(runs: Path, features: Path, target: Path) -> None:
    """Write the table, and what float16 weights change."""
    lines = [_HEAD, "|" + "---|" * _HEAD.count(" |"), *(_line(runs, dataset) for dataset in DATASETS), "", LEGEND, ""]
    lines += [_parity(features, dataset) for dataset in DATASETS[:2]]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(runs: Path, dataset: str) -> str:
    score = _score(runs, "mini", "zero-shot", dataset)
    support = [n for n in score["support"].values() if n]
    name = footnoted(dataset, dataset.partition("-")[0] in TRAINED_ON)
    cells = [name, f"{score['n']:,}", _percent(1 / len(support)), _percent(max(support) / score["n"])]
    for encoder, method in (
        ("untrained", "zero-shot"),
        ("mini", "zero-shot"),
        ("mini-float32", "zero-shot"),
        ("untrained", "linear-probe"),
        ("mini", "linear-probe"),
    ):
        score = _score(runs, encoder, method, dataset)
        cells.append(f"{_percent(score['accuracy'])} / {_percent(score['uar'])}")
    return f"| {' | '.join(cells)} |"


def _score(runs: Path, encoder: str, method: str, dataset: str) -> dict[str, Any]:
    """A head that was trained on the dataset itself, on its test split."""
    scores = json.loads((runs / "scores" / encoder / method / dataset / "seed-0" / "scores.json").read_bytes())
    return next(dict(score) for score in scores if score["dataset"] == dataset)


def _parity(features: Path, dataset: str) -> str:
    """How far features of float16 weights are from those of float32 weights, as stored."""
    half, full = (
        open_store(features / encoder / f"{dataset}.zarr").features("test").astype(np.float32)
        for encoder in ("mini", "mini-float32")
    )
    cosines = (half * full).sum(1) / (np.linalg.norm(half, axis=1) * np.linalg.norm(full, axis=1))
    difference = np.abs(half - full).max() / np.abs(full).max()
    return (
        f"- Float16 against float32 weights, {dataset} test: largest difference of a feature {difference:.1e} of the\n"
        f"  largest value, least cosine {cosines.min():.6f}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
