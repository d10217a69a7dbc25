"""Sample and face tables on disk: written by `index` and `align`, read by `extract`."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cache.atomic import write_bytes
from pipeline.datasets.croissant import croissant
from pipeline.datasets.croissant_parts import TableFile
from pipeline.datasets.digests import FileDigests
from pipeline.datasets.drawn import SAMPLES, drawing_changes, is_free, unfinished_drawing
from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import find_layout
from pipeline.datasets.published import PublishedComparison, compare_with_published, facts_of
from pipeline.errors import ChangedImageError
from pipeline.faces.table import FaceTable
from pipeline.images.formats import decodable_since
from pipeline.progress import OnProgress
from pipeline.tables.samples import SampleTable, TableInfo
from stages.errors import StageError
from stages.output import say
from stages.params import DatasetParams, Params, SampleParams, load_params
from stages.remedies import command_line
from stages.requests import AlignRequest, ExtractRequest
from stages.workflows.dataset_sources import StatedSource, current_source, table_changes
from stages.workflows.draw import draw_style, n_drawn
from stages.workflows.rejected_rows import write_rejected_list
from stages.workflows.scans import scanning
from stages.workspace import Workspace

__all__ = [
    "description_path",
    "index_named",
    "is_drawn",
    "make_table",
    "of_its_dataset",
    "published_counts",
    "reasons_to_index",
    "requested_rows",
    "write_indexed",
    "write_table",
]


def make_table(
    dataset: str,
    source: DatasetParams,
    sample: SampleParams,
    on_progress: OnProgress,
    stated: StatedSource,
    digests: FileDigests,
) -> SampleTable:
    """Index a dataset; one of the sample's styles is drawn first if it is missing, and an interrupted drawing finished.

    Parameters
    ----------
    source : how the dataset is read, with what is stated
    stated : of it in the request; recorded in the table
    digests : of files that did not change since the last scan
    """
    root = Path(source.root)
    if is_drawn(dataset, source) and is_free(root):
        draw_style(dataset, root, n_drawn(dataset, sample), sample.seed, on_progress)
    elif source.layout == "sample" and (begun := unfinished_drawing(root)):
        style, n, seed = begun
        draw_style(style, root, n, seed, on_progress)  # or waits for the process that draws it
    table = index_dataset(dataset, source.layout, root, source.options, on_progress, digests)
    given = stated.as_json()
    return SampleTable(table.frame, replace(table.info, given=given)) if given else table


def is_drawn(dataset: str, source: DatasetParams) -> bool:
    """Whether a dataset is a style of the sample, which `index` draws where it is missing."""
    return dataset in SAMPLES and source.layout == "sample"


def requested_rows(
    request: AlignRequest | ExtractRequest, params: Params, on_progress: OnProgress
) -> tuple[SampleTable, Path, str]:
    """The rows that a request is about, the dataset's root, and the name of what is made of the rows.

    Returns
    -------
    All rows under the dataset's own name, or the first `limit` under one of their own. The dataset is indexed first if
    it never was, if the request states how it is read, or if params.yaml no longer describes what the table is of.
    """
    table, root = _indexed(request, params, on_progress)
    _note_other_drawing(table.info, params)
    if request.limit and request.limit < len(table):
        return table.head(request.limit), root, f"{request.dataset}.first-{request.limit}"
    return table, root, request.dataset


def _stated(request: AlignRequest | ExtractRequest) -> StatedSource:
    return StatedSource(request.layout, request.root) if isinstance(request, ExtractRequest) else StatedSource()


def _indexed(
    request: AlignRequest | ExtractRequest, params: Params, on_progress: OnProgress
) -> tuple[SampleTable, Path]:
    dataset, path, stated = request.dataset, Workspace(tables=request.tables).table(request.dataset), _stated(request)
    if path.exists() and not stated:
        table = SampleTable.read(path)
        changes = reasons_to_index(table, dataset, params)
        if not changes:
            return of_its_dataset(table, dataset, path), Path(table.info.root)
        source = current_source(dataset, table.info, params) or params.dataset(dataset)
        stated = StatedSource() if dataset in params.datasets else StatedSource.of_table(table.info)
        if not (Path(source.root).exists() or is_drawn(dataset, source)):
            say(f"note: {path} is used as it is, as {source.root} is not on this machine to index it again: {changes}")
            return of_its_dataset(table, dataset, path), Path(table.info.root)
        say(f"indexing {dataset} again: {changes}")
    else:
        source = stated.source(dataset, params)
        say(f"indexing {dataset} ({source.layout} at {source.root})")
    with scanning(request, source, params, stated) as digests:
        table = make_table(dataset, source, params.sample, on_progress, stated, digests)
        if not request.dry_run:
            write_indexed(table, path, published_counts(table), on_progress)
    return table, Path(source.root)


def reasons_to_index(table: SampleTable, dataset: str, params: Params) -> str:
    """What changed since the table was made; empty if nothing did."""
    reasons = [table_changes(dataset, table.info, params)]
    if formats := decodable_since(table.frame["reason"].unique()):
        reasons.append(f"{' and '.join(formats.values())} images can be read now")
    return ", ".join(filter(None, reasons))


@contextmanager
def index_named(request: AlignRequest | ExtractRequest) -> Iterator[None]:
    """Errors inside about images that changed since they were indexed get the call of `index` as their remedy."""
    try:
        yield
    except ChangedImageError as error:
        info, _ = SampleTable.read_info(Workspace(tables=request.tables).table(request.dataset))
        is_configured = request.dataset in load_params(request.params).datasets
        stated = StatedSource() if is_configured else StatedSource.of_table(info)
        arguments = {"dataset": request.dataset, **stated.as_json(), "tables": request.tables}
        error.remedy, error.purpose = [("index", arguments)], "and then try again"
        raise


def _note_other_drawing(info: TableInfo, params: Params) -> None:
    """Drawn pictures may be the user's own choice: they are not replaced, but a difference to params.yaml is named."""
    if info.layout != "sample" or info.dataset not in SAMPLES or "sample" not in params.model_fields_set:
        return
    sample, root = params.sample, Path(info.root)
    if changes := drawing_changes(info.dataset, root, n_drawn(info.dataset, sample), sample.seed):
        draw = command_line("draw", {"style": info.dataset, "out": root})
        index = command_line("index", {"dataset": info.dataset})
        say(
            f"note: {root} is not as `sample` in params.yaml describes it ({changes}); it is used as it is. To draw it "
            f"again: `{draw}`, then `{index}`"
        )


def of_its_dataset(table: SampleTable, dataset: str, path: Path) -> SampleTable:
    """The table that was read at `path`; StageError if it is that of another dataset."""
    info = table.info
    if info.dataset != dataset:
        arguments = {"dataset": dataset, "layout": info.layout, "root": info.root, "tables": path.parent}
        raise StageError(
            f"{path}: expected the sample table of {dataset}, found that of {info.dataset}. Rename the file, or index "
            f"{dataset} again",
            remedy=[("index", arguments)],
        )
    return table


def published_counts(table: SampleTable) -> PublishedComparison:
    """The counts of a table that was made just now against those that its layout states; a layout's code is run."""
    return compare_with_published(table, _facts(table))


def write_indexed(table: SampleTable, path: Path, published: PublishedComparison, on_progress: OnProgress) -> None:
    """Write a sample table, and beside it its description in Croissant and the list of its rejected rows.

    Parameters
    ----------
    published : as `published_counts` has it
    """
    write_rejected_list(table, path, on_progress)
    arrow, data = _as_parquet(table)
    write_bytes(path, data)
    file = TableFile(path.name, hashlib.sha256(data).hexdigest(), len(data), arrow.schema)
    described = json.dumps(croissant(table, file, _facts(table), published), indent=2)
    write_bytes(description_path(path), f"{described}\n".encode())


def description_path(table: Path) -> Path:
    """Of the description beside a sample table."""
    return table.with_suffix(".croissant.json")


def write_table(table: SampleTable | FaceTable, path: Path) -> None:
    """Replace the Parquet file at `path` as a whole."""
    write_bytes(path, _as_parquet(table)[1])


def _as_parquet(table: SampleTable | FaceTable) -> tuple[pa.Table, bytes]:
    buffer, arrow = io.BytesIO(), table.to_arrow()
    pq.write_table(arrow, buffer)
    return arrow, buffer.getvalue()


def _facts(table: SampleTable) -> DatasetFacts | None:
    return facts_of(find_layout(table.info.layout))
