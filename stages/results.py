"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import check_rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from cache.places import Place
    from pipeline.faces.table import FaceTable
    from pipeline.tables.samples import SampleTable

__all__ = [
    "AlignResult",
    "DatasetRow",
    "DatasetsResult",
    "DrawResult",
    "EncodeTextResult",
    "IndexResult",
    "PlannedRun",
    "Result",
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
        from pipeline.datasets.drawn.group import group_specs

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
    record : what run.json has
    """

    folder: Path
    record: Mapping[str, Any] = field(repr=False)


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


_PLANNED = ("method", "encoder", "dataset", "variant", "seed", "run_key", "views", "dtype")


def _trained_row(run: TrainedRun) -> dict[str, Any]:
    """A row of `TrainResult.frame`."""
    record = run.record
    return {
        **{name: record[name] for name in ("method", "encoder", "dataset", "variant", "seed")},
        **{name: record[name] for name in ("epochs", "selected_epoch")},
        "val_accuracy": record["val"]["accuracy"],
        "val_uar": record["val"]["uar"],
        "seconds": record["seconds"],
        **{name: record[name] for name in ("n_train", "n_val")},
        "n_dropped": sum(record["dropped"].values()),
        **{name: record[name] for name in ("views", "dtype")},
        "path": str(run.folder),
    }
