"""Results of train and head export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import TrainingError
from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.records import Run

__all__ = ["ExportHeadResult", "PartialTrainingError", "PlannedRun", "TrainResult", "TrainedRun"]


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


@dataclass(frozen=True)
class PlannedRun:
    """A head to train.

    Parameters
    ----------
    folder : where it goes
    variant : what sets it apart from the method's other runs: the point of a grid, another text, a fold; else empty
    config : all options of the method
    run_key : digest of everything that makes the head
    views : of a train image; 1 is the plain image alone
    dtype : of the features on disk
    note : what must be stated wherever a number of the head appears, else empty
    encoder_saw : whether an encoder of the head was trained on this dataset's train split
    is_up_to_date : whether the folder already has the head
    reason : why a head that the folder has is trained again; empty where it has none, or it is up to date
    fold : `number`, `n` and `source` of the fold that it is tested on; None where it is on the table's splits
    """

    folder: Path
    method: str
    encoder: str
    dataset: str
    variant: str
    seed: int
    config: Mapping[str, Any] = field(repr=False)
    run_key: str = field(repr=False)
    views: int
    dtype: str
    note: str = field(repr=False)
    encoder_saw: bool = False
    is_up_to_date: bool = False
    reason: str = ""
    fold: Mapping[str, Any] | None = None

    @property
    def status(self) -> Literal["to train", "up to date"]:
        """`up to date`, or `to train`."""
        return "up to date" if self.is_up_to_date else "to train"

    def summary(self) -> Mapping[str, Any]:
        """What the head would be made of, whether it is up to date, and its path."""
        names = ("method", "dataset", "variant", "seed", "config", "run_key", "views", "dtype", "status", "reason")
        fold = {"fold": dict(self.fold)} if self.fold else {}
        return {**{name: getattr(self, name) for name in names}, **fold, "path": str(self.folder), "note": self.note}


@dataclass(frozen=True)
class TrainedRun:
    """A trained head.

    Parameters
    ----------
    folder : with head.safetensors, run.json and history.csv
    record : its run.json
    is_new : whether it was trained now; else it was up to date
    """

    folder: Path
    record: Run = field(repr=False)
    is_new: bool = True

    @property
    def status(self) -> Literal["trained", "up to date"]:
        """`trained` now, or `up to date` from before."""
        return "trained" if self.is_new else "up to date"


@dataclass(frozen=True)
class TrainResult(Result):
    """Trained heads; `stages.evaluate` takes it as its runs.

    Parameters
    ----------
    planned : all runs of the request: of each dataset each point of the grid with each seed
    runs : those that are trained, now or before, in the same order; none in a dry run
    """

    planned: tuple[PlannedRun, ...] = field(repr=False)
    runs: tuple[TrainedRun, ...]

    @property
    def trained(self) -> tuple[TrainedRun, ...]:
        """The runs that were trained now."""
        return tuple(run for run in self.runs if run.is_new)

    @property
    def up_to_date(self) -> tuple[TrainedRun, ...]:
        """The runs that were trained before, and that nothing changed since."""
        return tuple(run for run in self.runs if not run.is_new)

    @property
    def encoder_saw(self) -> bool:
        """Whether an encoder of the heads was trained on the train split of one of their datasets."""
        return any(run.encoder_saw for run in self.planned)

    @property
    def note(self) -> str:
        """What must be stated wherever a number of these heads appears, else empty."""
        return "; ".join(dict.fromkeys(run.note for run in self.planned if run.note))

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folder of each trained run."""
        return tuple(run.folder for run in self.runs)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per trained run, in the order of the request; of a dry run, one per planned run.

        `val_accuracy` and `val_uar`, in [0, 1], are of the validation split, which selected the epoch: no test results.
        `n_train`, `n_val` and `n_dropped` count units (`unit` has whether images or clips); dropped are train and
        validation units that were left out for their label.
        """
        import pandas as pd  # late: `import stages` is light

        if not self.runs:
            rows = [{name: getattr(run, name) for name in _PLANNED} | {"path": str(run.folder)} for run in self.planned]
            return pd.DataFrame(rows, columns=[*_PLANNED, "path"])
        saw = {run.folder: run.encoder_saw for run in self.planned}
        return pd.DataFrame([{**_trained_row(run), "encoder_saw": saw[run.folder]} for run in self.runs])


class PartialTrainingError(TrainingError):
    """Some heads of a request could not be trained; the others are finished, and their folders written.

    Parameters
    ----------
    error : names the heads that could not be trained, and why
    result : of the others
    """

    def __init__(self, error: TrainingError, result: TrainResult) -> None:
        super().__init__(str(error), remedy=error.remedy, purpose=error.purpose)
        self.result = result


_PLANNED = ("method", "encoder", "dataset", "variant", "seed", "run_key", "views", "dtype", "status", "reason")


def _trained_row(run: TrainedRun) -> dict[str, Any]:
    """A row of `TrainResult.frame`."""
    record = run.record
    return {
        **{name: getattr(record, name) for name in ("method", "encoder", "dataset", "variant", "seed")},
        **{name: getattr(record, name) for name in ("epochs", "selected_epoch")},
        **{f"val_{name}": value for name, value in record.val.by_metric().items()},
        "seconds": record.seconds,
        **{name: getattr(record, name) for name in ("n_train", "n_val")},
        "n_dropped": sum(record.dropped.values()),
        **{name: getattr(record, name) for name in ("views", "dtype", "unit")},
        "status": run.status,
        "path": str(run.folder),
    }
