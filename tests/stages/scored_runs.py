"""Runs with scores and predictions that a test describes, written without a store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from run_records import run_record, score_record

from pipeline.learning.metrics import score
from pipeline.records import Score, Scores
from pipeline.records.fields import json_bytes
from pipeline.records.predictions import Predictions

__all__ = ["CLASSES", "answers", "write_run"]

CLASSES = ("happiness", "sadness", "neutral")
_HISTORY = b"epoch,loss\n1,0.5\n"


def write_run(
    method: str,
    tests: dict[str, tuple[Sequence[str], Sequence[str]]],
    *,
    runs: Path = Path("runs"),
    train: str = "a",
    seed: int = 0,
    subjects: Sequence[str] = (),
    ids: Sequence[str] = (),
    rows: str = "",
    classes: Sequence[str] = CLASSES,
    fold: tuple[int, int] | None = None,
    scored: Mapping[str, Any] | None = None,
    **record: Any,
) -> Path:
    """A run, with its history and its scores on test datasets.

    Parameters
    ----------
    tests : dataset -> labels and predictions of its units
    subjects, ids : of the units; by default none, and unit-0, unit-1, ...
    rows : beginning of the digest of the rows, by default of the labels
    classes : of the head
    fold : number and number of folds
    scored : other fields of the scores
    record : other fields of run.json
    """
    encoder = record.setdefault("encoder", "mini")
    of_fold = {} if fold is None else {"number": fold[0], "n": fold[1], "source": "groups"}
    variant = f"fold-{fold[0]}-of-{fold[1]}" if fold else ""
    record |= {"variant": variant, **({"fold": of_fold} if fold else {})}
    record.setdefault("history_sha256", hashlib.sha256(_HISTORY).hexdigest())
    data = run_record(method=method, dataset=train, seed=seed, classes=list(classes), **record)
    parts = [part for part in (encoder, method, train, variant, f"seed-{seed}") if part]
    folder, scores = runs.joinpath(*parts), runs.joinpath("scores", *parts)
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(json_bytes(data))
    (folder / "history.csv").write_bytes(_HISTORY)
    written = []
    for dataset, (labels, predicted) in tests.items():
        logits = np.array([[float(name == one) for name in classes] for one in predicted], np.float32)
        named = list(ids) or [f"unit-{i}" for i in range(len(labels))]
        units = {"id": named, "sha256": [""] * len(labels), "label": labels, "status": ["scored"] * len(labels)}
        units |= {"subject": subjects} if subjects else {}
        columns = {name: np.array(values, dtype=object) for name, values in units.items()}
        predictions = Predictions.of(columns, logits, classes, 1.0).as_bytes()
        measured = score(logits, np.array(labels), tuple(classes)).as_json()
        own = {"fold": of_fold} if fold and dataset == train else {}
        digest = (rows or hashlib.sha256("".join(labels).encode()).hexdigest()).ljust(64, "0")
        stated = {"rows": digest, "seen": dataset == train, "dropped": {}} | own | dict(scored or {})
        entry = score_record(dataset, **measured | stated)
        entry["predictions"] = hashlib.sha256(predictions).hexdigest()
        written.append(Score.model_validate(entry))
        path = scores / written[-1].predictions_file
        path.parent.mkdir(parents=True)
        path.write_bytes(predictions)
    scores.mkdir(parents=True, exist_ok=True)
    (scores / "scores.json").write_bytes(Scores(tuple(written)).as_bytes())
    return folder


def answers(n_right: int, seed: int = 0, labels: Sequence[str] = CLASSES * 50) -> tuple[list[str], list[str]]:
    """Labels, and predictions of which as many are right, drawn."""
    right = np.random.default_rng(seed).permutation(len(labels)) < n_right
    wrong = [CLASSES[(CLASSES.index(label) + 1) % 3] for label in labels]
    return list(labels), [label if ok else other for label, other, ok in zip(labels, wrong, right, strict=True)]
