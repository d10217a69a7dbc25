"""What `store export` and `query --output` do: rows of a store -> files of another program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cache import open_store
from cache.export_formats import AS_STORED, ExportForm
from cache.places import AnyPath
from stages.results import ExportResult

__all__ = ["export_form", "export_store"]


def export_form(rejected: Literal["keep", "drop"], dtype: Literal["stored", "float32"], plain_list: bool) -> ExportForm:
    """The options of `stages.commands.options.export_options` as the cache takes them."""
    return ExportForm(rejected, None if dtype == "stored" else dtype, plain_list)


def export_store(
    store: AnyPath,
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
    return ExportResult.of(selection.export(output, form=form), selection, form)
