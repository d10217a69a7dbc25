"""Scores of the folds of one dataset together, as rows beside those of single runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.records import Export, FoldScores, Run, Score
    from stages.results.run_scores import RunScores

__all__ = ["FoldSet", "fold_sets"]


@dataclass(frozen=True)
class FoldSet:
    """Scores of heads that differ in their fold only.

    Parameters
    ----------
    run : their folders, with a star for the number of the fold
    record : run.json of the first of them
    scores : of two folds or more
    note : what must be stated with every number of the heads
    """

    run: str
    record: Run | Export
    scores: FoldScores
    note: str

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The mean over folds; and where each was scored on its own rows the score of all counts together."""
        kinds = ("mean", "pooled") if self.scores.has_own_rows else ("mean",)
        return tuple(self._row(kind) for kind in kinds)

    def _row(self, kind: str) -> dict[str, Any]:
        first, metrics = self.scores.scores[0], tuple(self.scores.scores[0].by_metric())
        own = self.scores.has_own_rows
        units = sum(score.n for score in self.scores.scores) if own else first.n
        return {
            "run": self.run,
            "dataset": first.dataset,
            "split": first.split,
            "seen": first.seen,
            "n": units,
            "folds": {"kind": kind, "numbers": sorted(self.scores.by_number), "n": self.scores.n},
            **(self._mean(metrics) if kind == "mean" else self._pooled(metrics)),
            "note": self.note,
        }

    def _mean(self, metrics: Sequence[str]) -> dict[str, Any]:
        deviations = {f"{metric}_sd": self.scores.deviation(metric) for metric in metrics}
        return {**{metric: self.scores.mean(metric) for metric in metrics}, **deviations}

    def _pooled(self, metrics: Sequence[str]) -> dict[str, Any]:
        bounds = {metric: self.scores.bounds(metric) for metric in metrics}
        return {
            **{metric: self.scores.pooled(metric) for metric in metrics},
            "ci95": {metric: list(interval) for metric, interval in bounds.items() if interval},
            "confusion": self.scores.confusion.tolist(),
        }


def fold_sets(runs: Sequence[RunScores]) -> tuple[FoldSet, ...]:
    """The scores of each set of two or more heads that differ in their fold only, by dataset and split."""
    members: dict[tuple[Any, ...], list[tuple[RunScores, Score]]] = {}
    for run in runs:
        if run.record.fold:
            for score in run.entries:
                key = (_folder(run), _settings(run.record), *_scored_as(score))
                members.setdefault(key, []).append((run, score))
    sets = (_set_of(folder, same) for (folder, *_), same in members.items())
    return tuple(each for each in sets if len(each.scores.by_number) > 1)  # a head and its copy are one fold


def _set_of(folder: str, members: Sequence[tuple[RunScores, Score]]) -> FoldSet:
    from pipeline.records import FoldScores

    first = members[0][0]
    folds = [run.record.fold for run, _ in members if run.record.fold]
    by_number = {fold.number: score for fold, (_, score) in zip(folds, members, strict=True)}
    return FoldSet(folder, first.record, FoldScores(by_number, folds[0].n), first.note)


def _folder(run: RunScores) -> str:
    """`runs/.../fold-*-of-5/seed-0`; of exported heads, whose folders have any name, the folder that they are in."""
    fold = run.record.fold
    assert fold is not None
    name = run.folder.parent.name
    if not name.endswith(fold.name):
        return str(run.folder.parent)
    return str(run.folder.parents[1] / f"{name.removesuffix(fold.name)}fold-*-of-{fold.n}" / run.folder.name)


def _settings(record: Run | Export) -> str:
    """What gives a head beside its fold, as exact text: runs of other settings are not part of one mean."""
    names = ("method", "config", "key", "classes", "text_key", "method_version", "dataset", "seed")
    fold = record.fold.model_dump(exclude={"number"}) if record.fold else {}
    return json.dumps({**{name: getattr(record, name) for name in names}, "fold": fold}, sort_keys=True, default=str)


def _scored_as(score: Score) -> tuple[Any, ...]:
    """Equal for scores of one mean: those of other datasets than the heads' own are of the same rows."""
    rows = "" if score.fold else score.rows
    return (score.dataset, score.split, score.store_key, bool(score.fold), rows)
