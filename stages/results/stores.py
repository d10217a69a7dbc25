"""Results of what reads a store: query, store export and store info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.results.base import Result

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from cache.export_formats import ExportForm
    from cache.places import AnyPath
    from cache.selection import Selection

__all__ = ["ExportResult", "QueryResult", "StoreDescription", "StoredArray"]


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

    @property
    def description(self) -> Path:
        """Where a description of the file in Croissant is, if there is one."""
        return self.files[0].with_suffix(".croissant.json")

    def with_outdated_description(self) -> ExportResult:
        """The same with a note, if the description of an earlier export is beside the file."""
        if self.files[0].suffix != ".parquet" or not self.description.exists():
            return self
        outdated = f"{self.description} is of the file that was replaced: delete it, or export with --croissant"
        return replace(self, note="; ".join(filter(None, [self.note, outdated])))

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

        from cache.export_formats import AS_STORED

        form = form or AS_STORED
        order = self.selection.rows.argsort()  # features are read shard by shard
        added = {} if self.scores is None else {"score": self.scores[order]}
        selection = replace(self.selection, rows=self.selection.rows[order])
        exported = ExportResult.of(selection.export(path, added=added, form=form), selection, form)
        return exported.with_outdated_description()


@dataclass(frozen=True)
class StoredArray:
    """One output of a store, as it is on disk.

    Parameters
    ----------
    shape : (V, N, *row_shape)
    n_bytes : of the values, uncompressed
    chunks : shape of a chunk; None where the file holds the array in one piece
    sha256 : of the values
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    n_bytes: int
    chunks: tuple[int, ...] | None
    sha256: str

    def summary(self) -> dict[str, Any]:
        """Everything but the name, as plain data."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype,
            "bytes": self.n_bytes,
            "chunks": "in one piece" if self.chunks is None else list(self.chunks),
            "sha256": self.sha256,
        }


@dataclass(frozen=True, kw_only=True)
class StoreDescription(Result):
    """What a store holds, what it was made of, by what, and how it is on disk.

    Parameters
    ----------
    dataset : its name, layout, release and options
    n_rows, n_views : samples; views of a train image, the plain one included
    n_bytes : on disk
    status : number of rows by status, `ok` or `rejected`
    reasons : number of rejected rows by reason
    counts : split -> label -> number of rows
    clips : the same of clips, where rows are their frames; None of images
    arrays : one per output
    n_shards, shard_rows : shards, and rows of each but the last
    columns : name -> sha256
    key, key_fields : digest of what made the features, and what that was
    provenance : where it was made: encoder, versions, device
    is_pinned : whether `store gc` keeps it
    being_replaced : how far an unfinished writer of the same path came; empty if there is none
    """

    path: AnyPath
    dataset: Mapping[str, Any]
    n_rows: int
    n_views: int
    n_bytes: int
    status: Mapping[str, int]
    reasons: Mapping[str, int] = field(repr=False)
    counts: Mapping[str, Mapping[str, int]] = field(repr=False)
    clips: Mapping[str, Mapping[str, int]] | None = field(repr=False)
    arrays: tuple[StoredArray, ...]
    n_shards: int
    shard_rows: int
    columns: Mapping[str, str] = field(repr=False)
    key: str
    key_fields: Mapping[str, Any] = field(repr=False)
    provenance: Mapping[str, Any] = field(repr=False)
    is_pinned: bool
    being_replaced: str

    @property
    def frame(self) -> pd.DataFrame:
        """One row per split and label that occur together: `split`, `label`, `n` rows, rejected ones included."""
        import pandas as pd  # late: `import stages` is light

        rows = [(split, label, n) for split, labels in self.counts.items() for label, n in labels.items()]
        return pd.DataFrame(rows, columns=["split", "label", "n"])

    def summary(self) -> dict[str, Any]:
        """What `store info --format json` prints."""
        return {
            "path": str(self.path),
            "dataset": dict(self.dataset),
            "rows": self.n_rows,
            "views": self.n_views,
            "bytes": self.n_bytes,
            "status": dict(self.status),
            "reasons": dict(self.reasons),
            "counts": {split: dict(labels) for split, labels in self.counts.items()},
            **({} if self.clips is None else {"clips": {split: dict(labels) for split, labels in self.clips.items()}}),
            "arrays": {array.name: array.summary() for array in self.arrays},
            "shards": {"count": self.n_shards, "rows": self.shard_rows},
            "columns": dict(self.columns),
            "key": self.key,
            "key_fields": dict(self.key_fields),
            "provenance": dict(self.provenance),
            "pinned": self.is_pinned,
            "being_replaced": self.being_replaced,
        }
