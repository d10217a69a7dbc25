"""What `store export` and `query --output` do: rows of a store -> files of another program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cache import open_store
from cache.exports import AS_STORED, ExportForm
from cache.places import Place
from stages.results import ExportResult

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cache.selection import Selection

__all__ = ["export_form", "export_selection", "export_store"]


def export_form(rejected: Literal["keep", "drop"], dtype: Literal["stored", "float32"], plain_list: bool) -> ExportForm:
    """The options of `stages.commands.options.export_options` as the cache takes them."""
    return ExportForm(rejected, None if dtype == "stored" else dtype, plain_list)


def export_store(
    store: Place,
    output: Path,
    *,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    feature: str = "pooled",
    view: int = 0,
    form: ExportForm = AS_STORED,
) -> ExportResult:
    """Write rows of a store with one of its outputs, shard by shard.

    Parameters
    ----------
    output : .parquet, .npy or .safetensors
    where, columns : condition on columns, and which of them are written; by default all rows and columns
    feature, view : which features
    form : what becomes of rows without a feature, the dtype, the kind of list

    Raises
    ------
    CacheError
        If there is no store, something that is named does not exist in it, or the disk refuses.
    """
    selection = open_store(store).select(where, columns=columns, output=feature, view=view)
    return export_selection(selection, output, form)


def export_selection(
    selection: Selection,
    path: str | Path,
    form: ExportForm = AS_STORED,
    added: Mapping[str, npt.NDArray[np.float32]] | None = None,
) -> ExportResult:
    """Write a selection, and count its rows without a feature.

    Parameters
    ----------
    added : further columns, one value per row
    """
    files = selection.export(path, added=added, form=form)
    n_empty = int(selection.without_feature.sum())
    note = f"{n_empty:,} of {len(selection):,} rows have no feature: {_treatment(files[0], form)}" if n_empty else ""
    n_rows = len(selection) - (n_empty if form.rejected == "drop" else 0)
    return ExportResult(files, n_rows, n_empty, selection.output, selection.view, selection.store.key, note)


def _treatment(path: Path, form: ExportForm) -> str:
    """How the rows without a feature are written in the export at `path`."""
    if form.rejected == "drop":
        return "they are left out"
    value = "null" if path.suffix == ".parquet" else "NaN (0 in pixels) in their places"
    return f"they are kept, as {value}; --rejected drop leaves them out"
