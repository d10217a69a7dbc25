"""What `index` does: a dataset on disk -> its sample table."""

from __future__ import annotations

from cache.places.links import require_inside
from pipeline.progress import OnProgress
from stages.params import load_params
from stages.requests import IndexRequest
from stages.results import IndexResult
from stages.workflows.dataset_sources import StatedSource
from stages.workflows.scans import scanning
from stages.workflows.tables import description_path, make_table, published_counts, write_indexed
from stages.workspace import Workspace

__all__ = ["index"]


def index(request: IndexRequest, on_progress: OnProgress) -> IndexResult:
    """Scan, and write the table, its description and the list of its rejected rows unless it is a dry run.

    One of the sample's styles is drawn first if need be.
    """
    params = load_params(request.params)
    stated = StatedSource(request.layout, request.root, request.options)
    source = stated.source(request.dataset, params)
    path = Workspace(tables=request.tables).table(request.dataset)
    require_inside(path, request.tables)
    with scanning(request, source, params, stated) as digests:
        table = make_table(request.dataset, source, params.sample, on_progress, stated, digests)
        published = published_counts(table)
        if not request.dry_run:
            write_indexed(table, path, published, on_progress)
    return IndexResult(table, path, published, description_path(path), digests.counts)
