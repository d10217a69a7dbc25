"""Scores of each scene of a dataset, as rows beside the score of all scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.records import Score
    from stages.results.run_scores import RunScores

__all__ = ["ALL_SCENES", "scene_rows"]

ALL_SCENES = "all scenes"


def scene_rows(runs: Sequence[RunScores]) -> tuple[dict[str, Any], ...]:
    """What `evaluate --by scene` prints: for each score one row of all scenes, and one of each scene that it has."""
    return tuple(
        {"run": str(run.folder), **_place(score, run), **row, "note": run.note}
        for run in runs
        for score in run.entries
        for row in _rows(score)
    )


def _place(score: Score, run: RunScores) -> dict[str, Any]:
    fold = {"fold": score.fold.as_json()} if score.fold else {}
    return {
        "method": run.record.method,
        "trained_on": run.record.dataset,
        "seed": run.record.seed,
        "dataset": score.dataset,
        "split": score.split,
        **({"unit": score.unit} if score.unit == "clip" else {}),
        **fold,
    }


def _rows(score: Score) -> Iterator[dict[str, Any]]:
    import numpy as np

    yield _row(ALL_SCENES, np.array(score.confusion))
    for name, counts in (score.scenes or {}).items():
        yield _row(name, np.array(counts))


def _row(scene: str, counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    from pipeline.learning.metrics import METRICS

    return {
        "scene": scene,
        "n": int(counts.sum()),
        **{name: metric.score(counts) for name, metric in METRICS.items()},
        "ci95": {name: list(metric.interval(counts)) for name, metric in METRICS.items() if metric.interval},
        "confusion": counts.tolist(),
    }
