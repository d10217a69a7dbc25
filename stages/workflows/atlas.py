"""What `store export --atlas` does: rows of a store -> a Parquet file that embedding-atlas shows.

Beside the columns of the store and the vector it has `x` and `y`, places in a plane; `neighbors`, the numbers of the
nearest rows of the file and their cosine distances; the prediction of a run, and pictures, where they are requested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cache import Store, open_store
from cache.export_formats import ExportForm
from cache.neighbors import nearest
from cache.places import AnyPath
from cache.selection import Selection
from pipeline.browse.projection import MOST_TSNE, Plane, principal_plane, tsne_plane
from pipeline.progress import OnProgress, Progress
from stages.errors import StageError
from stages.results import ExportResult
from stages.workflows.browse_pictures import Pictures
from stages.workflows.browse_units import StoreUnits
from stages.workflows.predictions import predictions_of

__all__ = ["AtlasContent", "Projection", "export_atlas"]

Projection = Literal["pca", "tsne"]

_FORM = ExportForm(dtype="float32")  # many versions of DuckDB, which embedding-atlas reads with, know no half floats
_ADDED = ("x", "y", "neighbors", "prediction", "probability", "correct", "image")
_PICTURES_AT_ONCE = 1000  # for progress


@dataclass(frozen=True)
class AtlasContent:
    """What the file has beside the columns of the store and the vector.

    Parameters
    ----------
    projection : of `x` and `y`
    n_neighbors : nearest rows of each row; 0: no such column
    run : whose predictions of the test split are there
    images : whether pictures are: the file then holds faces
    tables : folder of sample tables: that of the dataset says where its files are, if the store has no pixels
    """

    projection: Projection = "pca"
    n_neighbors: int = 15
    run: Path | None = None
    images: bool = False
    tables: Path = Path("tables")


def export_atlas(
    store: AnyPath,
    output: Path,
    on_progress: OnProgress,
    *,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    content: AtlasContent | None = None,
) -> ExportResult:
    """Write the rows of a store that have a feature, `pooled` of the plain view.

    Parameters
    ----------
    output : .parquet
    where, columns : condition on columns, and which of them are written; by default all rows and columns
    content : what else

    Raises
    ------
    CacheError
        If there is no store, something that is named does not exist in it, or the disk refuses.
    StageError
        If no row has a feature, there are too many for t-SNE, or the run has no score on these features.
    """
    content = content or AtlasContent()
    if output.suffix != ".parquet":
        raise StageError(f"--atlas: expected a name that ends with .parquet, found {output}")
    opened = open_store(store)
    matching = opened.select(where, columns=columns)
    selection = replace(matching, rows=matching.rows[~matching.without_feature])
    _require_rows(opened, selection, content.projection)
    added, notes = _added(opened, selection, content, on_progress)
    result = ExportResult.of(selection.export(output, added=added, form=_FORM), selection, _FORM)
    n_left_out = len(matching) - len(selection)
    left_out = [f"{n_left_out:,} of {len(matching):,} rows have no feature: they are left out"] if n_left_out else []
    result = replace(result, n_without_feature=n_left_out, note="; ".join([*left_out, *notes]))
    return result.with_outdated_description()


def _require_rows(store: Store, selection: Selection, projection: Projection) -> None:
    if not len(selection):
        raise StageError(f"{store.path}: expected rows with a feature, found none. Choose others with --where")
    if projection == "tsne" and len(selection) > MOST_TSNE:
        raise StageError(
            f"--projection tsne: expected at most {MOST_TSNE:,} rows, found {len(selection):,}. Choose fewer with "
            "--where, or take --projection pca"
        )
    if taken := [name for name in selection.columns if name in _ADDED]:
        names = ", ".join(taken)
        raise StageError(f"--atlas adds columns of the names {names}, which the store has too. Choose --columns")


def _added(
    store: Store, selection: Selection, content: AtlasContent, on_progress: OnProgress
) -> tuple[dict[str, Any], list[str]]:
    """The columns that the store does not have, and what to know of them."""
    features = selection.numpy()
    plane = _plane(features, content.projection)
    added: dict[str, Any] = {"x": plane.places[:, 0], "y": plane.places[:, 1]}
    notes = [plane.caption]
    if content.n_neighbors:
        on_progress(Progress("nearest rows", 0, len(selection)))
        added["neighbors"] = _neighbors(features, content.n_neighbors)
    if content.run:
        added |= _predicted(store, selection, content.run)
    if content.images:
        added["image"], missing = _images(store, selection, content.tables, on_progress)
        notes += ["the file holds pictures of faces: mind the terms of the dataset before you pass it on", *missing]
    return added, notes


def _plane(features: npt.NDArray[Any], projection: Projection) -> Plane:
    return tsne_plane([features]) if projection == "tsne" else principal_plane([features])


def _neighbors(features: npt.NDArray[Any], k: int) -> pd.api.extensions.ExtensionArray:
    """Numbers of the nearest other rows, the nearest first, and 1 - cosine, as embedding-atlas reads them."""
    found = nearest(features, features, k + 1)
    others = found.rows != np.arange(len(features))[:, None]
    others[others.all(axis=1), -1] = False  # a row whose equals come before it: the farthest one goes instead
    width = others.shape[1] - 1
    numbers, distances = found.rows[others], np.maximum(0, 1 - found.scores[others])
    offsets = pa.array(np.arange(len(features) + 1, dtype=np.int32) * width)
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(numbers.astype(np.int32))),
        pa.ListArray.from_arrays(offsets, pa.array(distances.astype(np.float32))),
    ]
    return _arrow_column(pa.StructArray.from_arrays(lists, ["ids", "distances"]))


def _predicted(store: Store, selection: Selection, run: Path) -> Mapping[str, Any]:
    """What a run predicted for the rows of the test split, frames as their clip; null for others."""
    score, predictions = predictions_of(run, store.dataset)
    if score.store_key != store.key:
        raise StageError(
            f"--run {run}: expected predictions from these features (key {store.key[:12]}), found a score on those of "
            f"key {score.store_key[:12]}. Name the store that the run was evaluated on"
        )
    names = store.columns(["clip" if store.unit == "clip" else "id", "split"]).iloc[selection.rows]
    table = predictions.frame.set_index("id")[["label", "prediction", "probability"]]
    rows = table.reindex(names.iloc[:, 0].where(names["split"] == "test"))
    known = rows["prediction"].notna()
    correct = (rows["prediction"] == rows["label"]).astype("boolean").where(known)
    return {
        "prediction": rows["prediction"].to_numpy(),
        "probability": rows["probability"].astype("Float32").array,
        "correct": correct.array,
    }


def _images(
    store: Store, selection: Selection, tables: Path, on_progress: OnProgress
) -> tuple[pd.api.extensions.ExtensionArray, list[str]]:
    """A JPEG of each row, from the store's pixels or the dataset's files, and which are missing and why."""
    rows = selection.rows
    pictures, files = Pictures(StoreUnits(store, rows, np.arange(len(rows) + 1), store.dataset), tables), []
    for i, row in enumerate(rows.tolist()):
        if i % _PICTURES_AT_ONCE == 0:
            on_progress(Progress("pictures", i, len(rows)))
        files.append(pictures.jpeg(row))
    column = _arrow_column(pa.StructArray.from_arrays([pa.array(files, pa.binary())], ["bytes"]))
    return column, [f"{n:,} pictures are grey squares: {reason}" for reason, n in pictures.missing.items()]


def _arrow_column(array: pa.Array) -> pd.api.extensions.ExtensionArray:
    """As pandas holds it, without an object for each row."""
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([array]))
