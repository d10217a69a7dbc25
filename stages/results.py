"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.tables.samples import SampleTable

__all__ = ["EvaluateResult", "ExportHeadResult", "IndexResult", "Result", "RunScores"]


class Result:
    """Base: `frame` is the result as a table, and what a notebook shows of it."""

    @property
    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The result as a table of pandas."""

    def _repr_html_(self) -> str:
        html: str = self.frame._repr_html_()  # type: ignore[operator]  # pandas' own hook for notebooks
        return html


@dataclass(frozen=True)
class IndexResult(Result):
    """A sample table, and where it was written (not in a dry run)."""

    table: SampleTable
    path: Path

    @property
    def frame(self) -> pd.DataFrame:
        """One row per image or frame, in the order of the table."""
        return self.table.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of rows by split and label, rejected ones by reason, and the path."""
        return {**self.table.summary(), "path": str(self.path)}


@dataclass(frozen=True)
class RunScores:
    """The scores of one head.

    Parameters
    ----------
    folder : of the run, or of the exported head
    record : its run.json or head.json
    entries : one per dataset, as scores.json has them
    note : what must be stated beside every number of the head
    path : the scores.json that has them; None where nothing was written
    """

    folder: Path
    record: Mapping[str, Any] = field(repr=False)
    entries: tuple[Mapping[str, Any], ...] = field(repr=False)
    note: str
    path: Path | None


@dataclass(frozen=True)
class EvaluateResult(Result):
    """Scores of heads on datasets.

    Parameters
    ----------
    runs : in the order of the request; each with an entry per dataset
    notes : what must be stated beside the scores, each once: of the heads, and what could not be checked
    """

    runs: tuple[RunScores, ...]
    notes: tuple[str, ...]

    @property
    def scores(self) -> tuple[dict[str, Any], ...]:
        """What `--format json` prints: every entry of scores.json, with the folder of its run and the run's note."""
        return tuple({"run": str(run.folder), **entry, "note": run.note} for run in self.runs for entry in run.entries)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per (run, dataset).

        `trained_on` is the dataset of the run, `dataset` the one that it was scored on. `accuracy` and `uar` are in
        [0, 1], with the 95 % interval of each in `*_low` and `*_high`; `overlap_train` and `overlap_val` count the
        scored rows whose bytes the head was trained or selected on, and are <NA> where that was not checked.
        """
        import pandas as pd  # late: `import stages` is light

        rows = [_score_row(run, entry) for run in self.runs for entry in run.entries]
        counts = ("n", "seed", "overlap_train", "overlap_val", "excluded_overlap", "rejected", "dropped")
        return pd.DataFrame(rows, columns=_SCORE_COLUMNS).astype(dict.fromkeys(counts, "Int64"))


_SCORE_COLUMNS = [
    *("run", "method", "encoder", "trained_on", "variant", "seed", "dataset", "split", "n"),
    *("accuracy", "accuracy_low", "accuracy_high", "uar", "uar_low", "uar_high", "ece", "seen", "encoder_saw"),
    *("overlap_train", "overlap_val", "excluded_overlap", "rejected", "dropped", "note"),
]


def _score_row(run: RunScores, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `EvaluateResult.frame`."""
    named = {name: run.record.get(name) for name in ("method", "encoder", "variant", "seed")}
    intervals = {
        f"{metric}_{end}": bound
        for metric in ("accuracy", "uar")
        for end, bound in zip(("low", "high"), entry["ci95"][metric], strict=True)
    }
    overlap = entry["overlap"] or {"train": None, "val": None}
    plain = ("dataset", "split", "n", "accuracy", "uar", "ece", "seen", "encoder_saw", "excluded_overlap", "rejected")
    return {
        "run": str(run.folder),
        **named,
        "trained_on": run.record.get("dataset"),
        **{name: entry[name] for name in plain},
        **intervals,
        "overlap_train": overlap["train"],
        "overlap_val": overlap["val"],
        "dropped": sum(entry["dropped"].values()),
        "note": run.note,
    }


@dataclass(frozen=True)
class ExportHeadResult(Result):
    """A head in a folder of its own, or one that would be written there.

    Parameters
    ----------
    status : `up to date` where the folder held this very export, `planned` in a dry run
    path, run : the folder, and that of the run
    method, dataset, encoder : of the head: what it was trained by and on, and the spec of its encoder
    temperature : that divides its logits, > 0
    n_scores : entries of the model card's table of scores
    files : names below `path`
    notes : what must be stated of the head and of its encoder on this machine
    """

    status: Literal["written", "planned", "up to date"]
    path: Path
    run: Path
    method: str
    dataset: str
    encoder: str
    temperature: float
    n_scores: int
    files: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row: the summary."""
        import pandas as pd  # late: `import stages` is light

        return pd.DataFrame([self.summary()])

    def summary(self) -> dict[str, Any]:
        """What the command prints: where the export is, of which head, with which files."""
        return {
            "status": self.status,
            "path": str(self.path),
            "run": str(self.run),
            "method": self.method,
            "dataset": self.dataset,
            "encoder": self.encoder,
            "temperature": self.temperature,
            "scores": self.n_scores,
            "files": list(self.files),
        }
