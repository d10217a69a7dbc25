"""Results of evaluate and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stages.results.base import Result
from stages.results.fold_rows import FoldSet, fold_sets
from stages.results.run_scores import RunScores
from stages.results.scene_rows import scene_rows

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.footnotes import DatasetFinding
    from pipeline.records import Score

__all__ = ["EvaluateResult", "ReportResult"]


@dataclass(frozen=True)
class ReportResult(Result):
    """The report on all runs: where its page was written (not in a dry run), and its scores.

    Parameters
    ----------
    path : of the page; metrics.json and tables/*.csv are in its folder
    scores : one row per encoder, method, train dataset, test dataset and seed: the table `matrix`
    notes : what was left out or separated, one or two sentences each
    n_runs : how many runs it is of
    files : the tables and figures for a paper; of a dry run those that would be written, figures not among them
    """

    path: Path
    scores: pd.DataFrame
    notes: tuple[str, ...]
    n_runs: int
    files: tuple[Path, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run and test dataset: n, scores with their 95 % intervals, calibration error."""
        return self.scores

    def summary(self) -> Mapping[str, Any]:
        """The path of the page and the number of runs; with files for a paper also how many are in each folder."""
        folders = Counter(str(path.parent) for path in self.files)
        return {"path": str(self.path), "runs": self.n_runs, **({"files": dict(folders)} if folders else {})}


@dataclass(frozen=True)
class EvaluateResult(Result):
    """Scores of heads on datasets.

    Parameters
    ----------
    runs : in the order of the request; each with an entry per dataset
    notes : what must be stated with the scores, each once: of the heads, and what could not be checked
    by : whether `frame` has a row for each scene
    """

    runs: tuple[RunScores, ...]
    notes: tuple[str, ...]
    by: Literal["scene"] | None = None

    @property
    def scores(self) -> tuple[dict[str, Any], ...]:
        """What `--format json` prints: every entry of scores.json, with the folder of its run and the run's note.

        Scores that are not in the file but follow from its counts come after its fields; `audit` has what audits found
        in the datasets that the head was trained and scored on, as far as it makes the score doubtful.
        """
        return tuple(
            {
                "run": str(run.folder),
                **entry.as_json(),
                **entry.by_metric(),
                "note": run.note,
                "audit": list(map(str, audit)),
            }
            for run in self.runs
            for entry, audit in zip(run.entries, run.audit, strict=True)
        )

    @cached_property
    def folds(self) -> tuple[FoldSet, ...]:
        """Of heads that differ in their fold only: mean over folds, and score of the counts of all folds together."""
        return fold_sets(self.runs)

    @property
    def scenes(self) -> tuple[dict[str, Any], ...]:
        """For each score one row of all scenes, and one of each scene of the dataset."""
        return scene_rows(self.runs)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per (run, dataset); and where runs differ in their fold only, below them one or two of all of them.

        `fold` is `2 of 5` in rows of one run, and `mean of 5 folds` or `pooled of 5 folds` in those of several: the
        plain mean over folds, with its deviation in `*_sd`, and the score of all counts together, with the interval
        over the units of all folds. It is empty where there is no fold.

        `trained_on` is the dataset of the run, `dataset` the one that it was scored on. Scores (`accuracy`, `uar`) are
        in [0, 1], with the 95 % interval of each in `*_low` and `*_high`; `overlap_train` and `overlap_val` count the
        scored rows whose bytes the head was trained on, or selected on alone, and are <NA> where that was not checked;
        `near_overlap` those whose picture an audit found there in other bytes, <NA> without an audit. `audit` is what
        audits found in the two datasets, empty if nothing. `unit` is what all these count, images or clips;
        `rejected_frames` counts masked frames of clips that have others.

        By scene there is one row per (run, dataset, scene): n, the scores and their intervals.
        """
        import pandas as pd  # late: `import stages` is light

        if self.by == "scene":
            return pd.DataFrame([_scene_row(row) for row in self.scenes])

        rows = [
            _score_row(run, entry, audit)
            for run in self.runs
            for entry, audit in zip(run.entries, run.audit, strict=True)
        ]
        rows += [_fold_row(folds, row) for folds in self.folds for row in folds.rows]
        overlaps = ("overlap_train", "overlap_val", "near_overlap", "excluded_overlap")
        counts = ("n", "seed", *overlaps, "rejected", "dropped", "rejected_frames")
        return pd.DataFrame(rows, columns=_score_columns()).astype(dict.fromkeys(counts, "Int64"))


def _score_columns() -> list[str]:
    """The columns of `EvaluateResult.frame`, also where it has no row."""
    from pipeline.learning.metrics import METRICS

    measured = [
        column
        for name, metric in METRICS.items()
        for column in (name, *((f"{name}_low", f"{name}_high") if metric.interval else ()))
    ]
    return [
        *("run", "method", "encoder", "trained_on", "variant", "seed", "dataset", "split", "n", *measured),
        *("ece", "seen", "encoder_saw"),
        *("overlap_train", "overlap_val", "near_overlap", "excluded_overlap", "rejected", "dropped"),
        *("unit", "rejected_frames", "note", "audit"),
        *("fold", *(f"{name}_sd" for name in METRICS)),
    ]


def _scene_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `EvaluateResult.frame` by scene."""
    bounds = {
        f"{metric}_{end}": bound
        for metric, ends in row["ci95"].items()
        for end, bound in zip(("low", "high"), ends, strict=True)
    }
    fold = {"fold": f"{row['fold']['number']} of {row['fold']['n']}"} if "fold" in row else {}
    return {name: value for name, value in row.items() if name not in ("ci95", "confusion")} | fold | bounds


def _fold_row(folds: FoldSet, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `EvaluateResult.frame` of several folds."""
    record = folds.record
    intervals = {
        f"{metric}_{end}": bound
        for metric, bounds in row.get("ci95", {}).items()
        for end, bound in zip(("low", "high"), bounds, strict=True)
    }
    return {
        "method": record.method,
        "encoder": record.encoder,
        "trained_on": record.dataset,
        "variant": record.settings,
        "seed": record.seed,
        **{name: value for name, value in row.items() if name not in ("folds", "ci95", "confusion")},
        **intervals,
        "fold": f"{row['folds']['kind']} of {folds.scores.text}",
        "audit": "",
    }


def _score_row(run: RunScores, score: Score, audit: tuple[DatasetFinding, ...]) -> dict[str, Any]:
    """A row of `EvaluateResult.frame`."""
    record, entry, measured = run.record, score.as_json(), score.by_metric()
    intervals = {
        f"{metric}_{end}": bound
        for metric in measured
        for end, bound in zip(("low", "high"), score.bounds(metric) or (), strict=False)
    }
    overlap = entry["overlap"] or {"train": None, "val": None}
    plain = ("dataset", "split", "n", "ece", "seen", "encoder_saw", "excluded_overlap", "rejected")
    return {
        "run": str(run.folder),
        "method": record.method,
        "encoder": record.encoder,
        "trained_on": record.dataset,
        "variant": record.variant,
        "seed": record.seed,
        **{name: entry[name] for name in plain},
        **measured,
        **intervals,
        "overlap_train": overlap["train"],
        "overlap_val": overlap["val"],
        "near_overlap": None if score.near_overlap is None else sum(score.near_overlap.values()),
        "dropped": sum(entry["dropped"].values()),
        "unit": score.unit,
        "rejected_frames": score.rejected_frames,
        "note": run.note,
        "audit": "; ".join(map(str, audit)),
        "fold": f"{record.fold.number} of {record.fold.n}" if record.fold else "",
    }
