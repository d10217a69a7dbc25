"""Results of evaluate and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.footnotes import DatasetFinding
    from pipeline.records import Export, Run, Score

__all__ = ["EvaluateResult", "ReportResult", "RunScores"]


@dataclass(frozen=True)
class ReportResult(Result):
    """The report on all runs: where its page was written (not in a dry run), and its scores.

    Parameters
    ----------
    path : of the page; metrics.json and tables/*.csv are in its folder
    scores : one row per encoder, method, train dataset, test dataset and seed: the table `matrix`
    notes : what was left out or separated, one or two sentences each
    n_runs : how many runs it is of
    """

    path: Path
    scores: pd.DataFrame
    notes: tuple[str, ...]
    n_runs: int

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run and test dataset: n, scores with their 95 % intervals, calibration error."""
        return self.scores

    def summary(self) -> Mapping[str, Any]:
        """The path of the page and the number of runs."""
        return {"path": str(self.path), "runs": self.n_runs}


@dataclass(frozen=True)
class RunScores:
    """The scores of one head.

    Parameters
    ----------
    folder : of the run, or of the exported head
    record : its run.json or head.json
    entries : one per dataset, as scores.json has them
    note : what must be stated with every number of the head
    path : the scores.json that has them; None where nothing is written
    n_new : how many entries were scored now; the others were up to date
    audit : of each entry, what audits found in the datasets that the head was trained and scored on, as far as it makes
        the score doubtful
    """

    folder: Path
    record: Run | Export = field(repr=False)
    entries: tuple[Score, ...] = field(repr=False)
    note: str
    path: Path | None
    n_new: int = 0
    audit: tuple[tuple[DatasetFinding, ...], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class EvaluateResult(Result):
    """Scores of heads on datasets.

    Parameters
    ----------
    runs : in the order of the request; each with an entry per dataset
    notes : what must be stated with the scores, each once: of the heads, and what could not be checked
    """

    runs: tuple[RunScores, ...]
    notes: tuple[str, ...]

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

    @property
    def frame(self) -> pd.DataFrame:
        """One row per (run, dataset).

        `trained_on` is the dataset of the run, `dataset` the one that it was scored on. Scores (`accuracy`, `uar`) are
        in [0, 1], with the 95 % interval of each in `*_low` and `*_high`; `overlap_train` and `overlap_val` count the
        scored rows whose bytes the head was trained on, or selected on alone, and are <NA> where that was not checked;
        `near_overlap` those whose picture an audit found there in other bytes, <NA> without an audit. `audit` is what
        audits found in the two datasets, empty if nothing. `unit` is what all these count, images or clips;
        `rejected_frames` counts masked frames of clips that have others.
        """
        import pandas as pd  # late: `import stages` is light

        rows = [
            _score_row(run, entry, audit)
            for run in self.runs
            for entry, audit in zip(run.entries, run.audit, strict=True)
        ]
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
    ]


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
    }
