"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from cache.exports import ExportForm
    from cache.selection import Selection
    from pipeline.predict import Prediction
    from pipeline.tables.samples import SampleTable

__all__ = ["ExportResult", "IndexResult", "PredictResult", "QueryResult", "Result"]


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
        from stages.workflows.exports import export_selection

        order = self.selection.rows.argsort()  # features are read shard by shard
        added = {} if self.scores is None else {"score": self.scores[order]}
        selection = replace(self.selection, rows=self.selection.rows[order])
        return export_selection(selection, path, form or AS_STORED, added)
