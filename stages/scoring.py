"""What `evaluate` does: a run and some stores -> scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.places import Place
from cache.store import find_store
from pipeline.evaluation import evaluate
from pipeline.models.head import Head
from pipeline.models.packing import unpack
from stages.errors import StageError

__all__ = ["load_head", "merged_scores", "score_run"]


def load_head(folder: Path, record: Mapping[str, Any]) -> Head:
    """The trained head of a run, whose `read_run` gave `record`.

    Raises
    ------
    StageError
        If its weights are missing.
    """
    weights = folder / "head.safetensors"
    if not weights.is_file():
        raise StageError(f"{folder}: head.safetensors is missing. Train the run again")
    return unpack(weights.read_bytes(), record["head"])


def score_run(
    folder: Path,
    record: Mapping[str, Any],
    datasets: Sequence[str],
    features: Place,
    split: str,
    *,
    drop_other_labels: bool,
) -> list[dict[str, Any]]:
    """Scores of one run on every dataset, as plain data."""
    head = load_head(folder, record)
    stores = [find_store(features, record["encoder"], dataset) for dataset in datasets]
    return [evaluate(head, store, split, drop_other_labels=drop_other_labels).as_json() for store in stores]


def merged_scores(path: Path, scores: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """`scores`, and those of other datasets that stand in the file at `path` from an earlier evaluation."""
    try:
        earlier = json.loads(path.read_bytes()) if path.exists() else []
    except ValueError as error:
        raise StageError(f"{path} is damaged ({error}): delete it and evaluate all datasets again") from error
    by_dataset = {score["dataset"]: score for score in [*earlier, *scores]}  # the later ones win
    return [by_dataset[dataset] for dataset in sorted(by_dataset)]
