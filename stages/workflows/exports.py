"""What `store export` and `query --output` do: rows of a store -> files of another program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cache import open_store
from cache.atomic import write_bytes
from cache.export_formats import AS_STORED, ExportForm
from cache.places import AnyPath
from stages.errors import StageError
from stages.results import ExportResult

if TYPE_CHECKING:
    from cache import Store
    from pipeline.datasets.facts import DatasetFacts

__all__ = ["ExportSelection", "export_form", "export_store"]


def export_form(rejected: Literal["keep", "drop"], dtype: Literal["stored", "float32"], plain_list: bool) -> ExportForm:
    """The options of `stages.commands.options.export_options` as the cache takes them."""
    return ExportForm(rejected, None if dtype == "stored" else dtype, plain_list)


@dataclass(frozen=True)
class ExportSelection:
    """What of a store is exported; by default every row with all columns and its plain pooled feature.

    Parameters
    ----------
    where : condition on columns
    columns : those that are written
    feature, view : which features
    """

    where: str | None = None
    columns: Sequence[str] | None = None
    feature: str = "pooled"
    view: int = 0


_ALL = ExportSelection()


def export_store(
    store: AnyPath,
    output: Path,
    selected: ExportSelection = _ALL,
    *,
    form: ExportForm = AS_STORED,
    croissant: bool = False,
) -> ExportResult:
    """Write rows of a store with one of its outputs, shard by shard.

    Parameters
    ----------
    output : .parquet, .npy or .safetensors
    selected : which rows, columns and features
    form : what becomes of rows without a feature, the dtype, the kind of list
    croissant : also a description in Croissant beside a .parquet, as `index` writes one of a table

    Raises
    ------
    CacheError
        If there is no store, something that is named does not exist in it, or the disk refuses.
    StageError
        If a description is requested of another format than Parquet.
    """
    if croissant and output.suffix != ".parquet":
        raise StageError(f"--croissant describes a .parquet: expected such an --output, found {output}")
    opened = open_store(store)
    selection = opened.select(selected.where, columns=selected.columns, output=selected.feature, view=selected.view)
    result = ExportResult.of(selection.export(output, form=form), selection, form)
    if not croissant:
        return result.with_outdated_description()
    return replace(result, files=(*result.files, _describe(opened, result, form)))


def _describe(store: Store, result: ExportResult, form: ExportForm) -> Path:
    """Write the description of an exported file; its path."""
    import pyarrow.parquet as pq  # late, as below: most exports need none of it

    from pipeline.datasets.croissant_parts import TableFile
    from pipeline.datasets.feature_croissant import FeatureFacts, feature_croissant

    path = result.files[0]
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    file = TableFile(path.name, sha256, path.stat().st_size, pq.read_schema(path))
    features = FeatureFacts(
        dataset=store.dataset,
        classes=store.classes,
        encoder=store.encoder["encoder"],
        output=result.feature,
        view=result.view,
        row_shape=store.row_shape(result.feature),
        key=store.key,
        note=str(store.manifest.provenance.get("encoder_note", "")),
        n_rows=result.n_rows,
        n_without_feature=0 if form.rejected == "drop" else result.n_without_feature,
        unit=store.unit,
    )
    described: dict[str, Any] = feature_croissant(features, file, _facts(store))
    write_bytes(result.description, f"{json.dumps(described, indent=2)}\n".encode())
    return result.description


def _facts(store: Store) -> DatasetFacts | None:
    """What is known of the dataset; None where its layout is none of the package: its code is not run for this."""
    from pipeline.datasets.layouts import LAYOUTS  # late: all of the layouts are imported
    from pipeline.datasets.published import facts_of

    layout = LAYOUTS.get(str(store.manifest.dataset.get("layout", "")))
    return facts_of(layout) if layout else None
