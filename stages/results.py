"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import TrainingError
from stages.errors import check_rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from cache import Store
    from cache.exports import ExportForm
    from cache.places import Place
    from cache.selection import Selection
    from pipeline.faces.table import FaceTable
    from pipeline.predict import Prediction
    from pipeline.records import Export, Run, Score
    from pipeline.tables.samples import SampleTable

__all__ = [
    "AlignResult",
    "DatasetRow",
    "DatasetsResult",
    "DrawResult",
    "EncodeTextResult",
    "EvaluateResult",
    "ExportHeadResult",
    "ExportResult",
    "ExtractResult",
    "IndexResult",
    "PartialTrainingError",
    "PlannedRun",
    "PredictResult",
    "QueryResult",
    "ReportResult",
    "Result",
    "RunScores",
    "TrainResult",
    "TrainedRun",
]


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
class DatasetRow:
    """One dataset of params.yaml, or one layout.

    Parameters
    ----------
    name : of the dataset, or of the layout
    layout, root : how it is read, and where it is expected
    exists : whether the root is on this machine
    rows : of its sample table; None if it is not indexed
    outdated : how the table differs from what params.yaml states now; empty if it does not
    """

    name: str
    layout: str
    root: str
    exists: bool
    rows: int | None
    outdated: str


@dataclass(frozen=True)
class DatasetsResult(Result):
    """Every dataset of params.yaml and every layout."""

    datasets: tuple[DatasetRow, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per dataset or layout, with the columns of `DatasetRow`."""
        import pandas as pd  # late: `import stages` needs no pandas

        return pd.DataFrame(self.datasets).astype({"rows": "Int64"})


@dataclass(frozen=True)
class DrawResult(Result):
    """Drawn faces, and where they were written (not in a dry run).

    Parameters
    ----------
    style : one of sample-a to sample-e
    n : faces
    seed : of what was drawn
    path : folder of a style, file of a group
    is_group : whether all are in one picture
    """

    style: str
    n: int
    seed: int
    path: Path
    is_group: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row per face: `id`, `label`, `split`, `subject`, `intensity` in [0, 1]; of a group the hindmost first."""
        import pandas as pd  # late: `import stages` needs no pandas

        from pipeline.datasets.drawn import sample_specs
        from pipeline.datasets.drawn.generate import group_specs

        specs = (group_specs if self.is_group else sample_specs)(self.style, self.n, self.seed)
        columns = ["id", "label", "split", "subject", "intensity"]
        return pd.DataFrame([[getattr(spec, name) for name in columns] for spec in specs], columns=columns)


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


@dataclass(frozen=True, kw_only=True)
class ExtractResult(Result):
    """What an extract did, or would do in a dry run. Every row was encoded, reused, or rejected.

    Parameters
    ----------
    table : its rows
    path, key : of the store
    complete : whether the store is finished; False in a dry run, unless there is nothing to do
    encoder, device, note : the encoder's name, where it ran, and what one must know about it
    n_encoded, n_reused, n_rejected : rows; reused ones are of finished shards, of other stores, or of equal images
    n_missed : images without a face; None where images are taken as they are
    seconds : that it took
    max_rejected : share of rejected rows above which `check` fails, in [0, 1]
    """

    table: SampleTable = field(repr=False)
    path: Place
    key: str
    complete: bool
    encoder: str
    device: str
    note: str
    n_encoded: int
    n_reused: int
    n_rejected: int
    n_missed: int | None
    seconds: float
    max_rejected: float

    @property
    def store(self) -> Store:
        """The finished store, open for reading.

        Raises
        ------
        StageError
            If there is none, as this was a dry run.
        """
        if not self.complete:
            from stages.errors import StageError

            raise StageError(f"expected a finished store at {self.path}, found the plan of one: this was a dry run")
        from cache import open_store

        return open_store(self.path)

    @property
    def frame(self) -> pd.DataFrame:
        """The columns of the store, one row per sample; those of its sample table where there is no store yet."""
        return self.store.frame if self.complete else self.table.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of rows, speed, key and path."""
        rate = round(self.n_encoded / self.seconds, 2) if self.n_encoded and self.seconds else 0.0
        return {
            "dataset": self.table.info.dataset,
            "encoder": self.encoder,
            "device": self.device,
            "rows": len(self.table),
            "encoded": self.n_encoded,
            "reused": self.n_reused,
            "rejected": self.n_rejected,
            **({} if self.n_missed is None else {"missed": self.n_missed}),
            "seconds": round(self.seconds, 3),
            "rows_per_s": rate,
            "key": self.key,
            "path": str(self.path),
            "complete": self.complete,
            "note": self.note,
        }

    def check(self) -> None:
        """Raise CheckFailedError where more than `max_rejected` of the rows are rejected."""
        from stages.errors import check_rejected

        see_them = [("query", {"store": str(self.path), "where": "status == 'rejected'"})]
        check_rejected(
            self.n_rejected,
            len(self.table),
            self.max_rejected,
            "images are rejected",
            remedy=see_them if self.complete else (),
            purpose="to see them",
        )


@dataclass(frozen=True)
class ReportResult(Result):
    """The report on all runs: where its page was written (not in a dry run), and its scores.

    Parameters
    ----------
    path : of the page; metrics.json and tables/*.csv are beside it
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
class PredictResult(Result):
    """Predictions of all faces, in the order of the inputs; of one image the largest face first.

    Parameters
    ----------
    predictions : one per face, and one per image without a face or that cannot be read
    annotated : for each prediction the picture with labels that shows it, or None
    classes : C expressions, in the order of the probabilities
    notes : what whoever reads the predictions must know, such as that the head knows no aligned faces
    counts : of `summary`
    """

    predictions: tuple[Prediction, ...]
    annotated: tuple[Path | None, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, Any]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per prediction, with the columns of `fer-stage predict --format csv`; floats are not rounded."""
        import pandas as pd

        from pipeline.predict.prediction import row_columns

        columns = row_columns(self.classes)
        frame = pd.DataFrame([one.as_row(self.classes) for one in self.predictions], columns=columns)
        text = ("image", "status", "reason", "expression")
        types = {name: "Int64" if name == "frame" else "float64" for name in columns if name not in text}
        annotated = pd.Series([path and str(path) for path in self.annotated], dtype=object)
        return frame.astype(types).assign(annotated=annotated)

    def summary(self) -> Mapping[str, Any]:
        """Counts of pictures, faces, pictures without a face and unreadable ones; pictures per second."""
        return self.counts


@dataclass(frozen=True)
class ExportResult:
    """Rows of a store that were written for other programs.

    Parameters
    ----------
    files : that of the features first
    n_rows, n_without_feature : rows that were written; rows that have no feature, written or not
    feature, view, key : whose features they are
    note : what became of rows without a feature; empty if there are none
    """

    files: tuple[Path, ...]
    n_rows: int
    n_without_feature: int
    feature: str
    view: int
    key: str
    note: str = ""

    @classmethod
    def of(cls, files: tuple[Path, ...], selection: Selection, form: ExportForm) -> ExportResult:
        """What `selection.export(..., form=form)` has written."""
        n_empty = int(selection.without_feature.sum())
        note = (
            f"{n_empty:,} of {len(selection):,} rows have no feature: {_treatment(files[0], form)}" if n_empty else ""
        )
        n_rows = len(selection) - (n_empty if form.rejected == "drop" else 0)
        return cls(files, n_rows, n_empty, selection.output, selection.view, selection.store.key, note)

    def summary(self) -> Mapping[str, Any]:
        """The files and counts as plain data."""
        return {
            "path": str(self.files[0]),
            "rows": self.n_rows,
            "rows_without_feature": self.n_without_feature,
            "files": [str(path) for path in self.files],
            "feature": self.feature,
            "view": self.view,
            "key": self.key,
        }


def _treatment(path: Path, form: ExportForm) -> str:
    """How the rows without a feature are written in the export at `path`."""
    if form.rejected == "drop":
        return "they are left out"
    value = "null" if path.suffix == ".parquet" else "NaN (0 in pixels) in their places"
    return f"they are kept, as {value}; --rejected drop leaves them out"


@dataclass(frozen=True)
class QueryResult(Result):
    """Rows of a store: all that match, or the N nearest of them, the nearest first.

    Parameters
    ----------
    selection : the N rows
    scores : float32, shape (N,): similarity of each row; None without `near`
    n_matching : rows that meet the condition, before `k` and `limit`
    notes : how `near` was understood, values that no row has, what to know about the encoder
    exported : the files that were written, if `output` asked for them
    """

    selection: Selection
    scores: npt.NDArray[np.float32] | None
    n_matching: int
    notes: tuple[str, ...] = ()
    exported: ExportResult | None = None

    def __len__(self) -> int:
        return len(self.selection)

    @property
    def frame(self) -> pd.DataFrame:
        """The chosen columns, and `score` of the nearest rows; <NA> where a row has no frame or no fold.

        The index is the row number in the store.
        """
        from cache.exports import without_placeholders

        frame = without_placeholders(self.selection.frame)
        return frame if self.scores is None else frame.assign(score=self.scores)

    def numpy(self) -> npt.NDArray[Any]:
        """The features of the rows in RAM, shape (N, *row_shape), as stored. Rejected rows are NaN (0 in pixels)."""
        return self.selection.numpy()

    def export(self, path: str | Path, form: ExportForm | None = None) -> ExportResult:
        """Write the rows with their features, and their scores, in the order of the store.

        Parameters
        ----------
        path : .parquet, .npy or .safetensors
        form : what becomes of rows without a feature, the dtype, the kind of list; by default as stored

        Raises
        ------
        QueryError
            If the name ends otherwise, or the form does not suit it.
        StorageError
            If the disk refuses.
        """
        from dataclasses import replace

        from cache.exports import AS_STORED

        form = form or AS_STORED
        order = self.selection.rows.argsort()  # features are read shard by shard
        added = {} if self.scores is None else {"score": self.scores[order]}
        selection = replace(self.selection, rows=self.selection.rows[order])
        return ExportResult.of(selection.export(path, added=added, form=form), selection, form)


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
    record: Run | Export = field(repr=False)
    entries: tuple[Score, ...] = field(repr=False)
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
        """What `--format json` prints: every entry of scores.json, with the folder of its run and the run's note.

        Scores that are not in the file but follow from its counts come after its fields.
        """
        return tuple(
            {"run": str(run.folder), **entry.as_json(), **entry.by_metric(), "note": run.note}
            for run in self.runs
            for entry in run.entries
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row per (run, dataset).

        `trained_on` is the dataset of the run, `dataset` the one that it was scored on. Scores (`accuracy`, `uar`) are
        in [0, 1], with the 95 % interval of each in `*_low` and `*_high`; `overlap_train` and `overlap_val` count the
        scored rows whose bytes the head was trained or selected on, and are <NA> where that was not checked.
        """
        import pandas as pd  # late: `import stages` is light

        rows = [_score_row(run, entry) for run in self.runs for entry in run.entries]
        counts = ("n", "seed", "overlap_train", "overlap_val", "excluded_overlap", "rejected", "dropped")
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
        *("overlap_train", "overlap_val", "excluded_overlap", "rejected", "dropped", "note"),
    ]


def _score_row(run: RunScores, score: Score) -> dict[str, Any]:
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


@dataclass(frozen=True)
class AlignResult(Result):
    """A face table, and where it was written (not in a dry run).

    Parameters
    ----------
    faces : of a dry run, those that earlier runs found; empty where `if_any` found nothing to align
    path : of the face table
    n_rows : of the sample table
    n_to_detect : images that a dry run would search; None if the table is complete
    n_detected : images that this run searched
    seconds : that the search took
    max_rejected : share of rejected images above which `check` fails, in [0, 1]
    """

    faces: FaceTable
    path: Path
    n_rows: int
    n_to_detect: int | None = None
    n_detected: int = 0
    seconds: float = 0.0
    max_rejected: float = 1.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row per image, in the order of the sample table: status, score, box and landmarks of its face."""
        return self.faces.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of faces, of images without one and of rejected images; of a dry run, what is to be done."""
        of_dataset = {"dataset": self.faces.info.dataset, "rows": self.n_rows}
        if self.n_to_detect is not None:
            return {**of_dataset, "to_detect": self.n_to_detect, "path": str(self.path)}
        from pipeline.faces.table import FOUND, MISSED, UNUSABLE  # late: `import stages` needs no pandas

        is_found = self.frame["status"] == FOUND
        return {
            **of_dataset,
            "aligned": int(is_found.sum()),
            "missed": self.faces.count(MISSED),
            "rejected": self.faces.count(UNUSABLE),
            "several": int(((self.frame["faces"] > 1) & is_found).sum()),
            "detected": self.n_detected,
            "seconds": round(self.seconds, 3),
            "faces_per_second": round(self.n_detected / self.seconds, 2) if self.n_detected and self.seconds else 0.0,
            "path": str(self.path),
        }

    def check(self) -> None:
        """Raise CheckFailedError if more than `max_rejected` of the images were rejected; the face table is kept."""
        from pipeline.faces.table import UNUSABLE

        if self.n_to_detect is None:
            reasons = f". {self.path} has the reasons"
            check_rejected(self.faces.count(UNUSABLE), self.n_rows, self.max_rejected, "images are rejected", reasons)


@dataclass(frozen=True)
class EncodeTextResult(Result):
    """The vectors of a prompt set, and where they are.

    Parameters
    ----------
    encoder, prompts : folder name of the encoder, name of the prompt set
    templates, classes : what is encoded: T templates with C class names
    sentences : of template t and class c at [t][c]
    vectors : float32, shape (T, C, D), raw; None in a dry run of what was not encoded yet
    key : digest of what the vectors are of
    path : file of the vectors: a path, or a place in an object store
    note : what must be stated wherever a number of the encoder appears, else empty
    """

    encoder: str
    prompts: str
    templates: tuple[str, ...]
    classes: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...] = field(repr=False)
    vectors: npt.NDArray[np.float32] | None = field(repr=False)
    key: str
    path: Place
    note: str = ""

    @property
    def frame(self) -> pd.DataFrame:
        """One row per sentence: its template, its class, itself; all classes of a template follow each other."""
        import pandas as pd  # late: `import stages` is light

        rows = [
            (template, name, sentence)
            for template, of_template in zip(self.templates, self.sentences, strict=True)
            for name, sentence in zip(self.classes, of_template, strict=True)
        ]
        return pd.DataFrame(rows, columns=["template", "class", "sentence"])

    def summary(self) -> Mapping[str, Any]:
        """Names, counts, the key and the path."""
        return {
            "encoder": self.encoder,
            "prompts": self.prompts,
            "templates": len(self.templates),
            "classes": list(self.classes),
            "key": self.key,
            "path": str(self.path),
            "note": self.note,
        }


@dataclass(frozen=True)
class PlannedRun:
    """A head to train.

    Parameters
    ----------
    folder : where it goes
    variant : what sets it apart from the method's other runs: the point of a grid, another text; else empty
    config : all options of the method
    run_key : digest of everything that makes the head
    views : of a train image; 1 is the plain image alone
    dtype : of the features on disk
    note : what must be stated wherever a number of the head appears, else empty
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

    def summary(self) -> Mapping[str, Any]:
        """What the head would be made of, and its path."""
        names = ("method", "dataset", "variant", "seed", "config", "run_key", "views", "dtype")
        return {**{name: getattr(self, name) for name in names}, "path": str(self.folder), "note": self.note}


@dataclass(frozen=True)
class TrainedRun:
    """A trained head.

    Parameters
    ----------
    folder : with head.safetensors, run.json and history.csv
    record : its run.json
    """

    folder: Path
    record: Run = field(repr=False)


@dataclass(frozen=True)
class TrainResult(Result):
    """Trained heads; `stages.evaluate` takes it as its runs.

    Parameters
    ----------
    planned : all runs of the request: each point of the grid with each seed
    runs : those that are trained, in the same order; none in a dry run
    encoder_saw : whether an encoder of the heads was trained on this dataset's train split
    note : what must be stated wherever a number of these heads appears, else empty
    """

    planned: tuple[PlannedRun, ...] = field(repr=False)
    runs: tuple[TrainedRun, ...]
    encoder_saw: bool = False
    note: str = ""

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folder of each trained run."""
        return tuple(run.folder for run in self.runs)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per trained run, in the order of the request; of a dry run, one per planned run.

        `val_accuracy` and `val_uar`, in [0, 1], are of the validation split, which selected the epoch: no test results.
        `n_dropped` counts train and validation rows that were left out for their label.
        """
        import pandas as pd  # late: `import stages` is light

        if not self.runs:
            rows = [{name: getattr(run, name) for name in _PLANNED} | {"path": str(run.folder)} for run in self.planned]
            return pd.DataFrame(rows, columns=[*_PLANNED, "path"])
        return pd.DataFrame([{**_trained_row(run), "encoder_saw": self.encoder_saw} for run in self.runs])


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


_PLANNED = ("method", "encoder", "dataset", "variant", "seed", "run_key", "views", "dtype")


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
        **{name: getattr(record, name) for name in ("views", "dtype")},
        "path": str(run.folder),
    }
