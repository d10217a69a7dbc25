"""What `datasets` does: list what is configured, what can be read, and what is on this machine."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.description import describe_layout
from pipeline.datasets.layouts import LAYOUTS, find_layout
from pipeline.progress import OnProgress
from pipeline.tables.samples import SampleTable
from stages.params import Params, load_params
from stages.requests import DatasetsRequest
from stages.results import DatasetRow, DatasetsResult
from stages.workflows.dataset_sources import table_changes
from stages.workspace import Workspace

__all__ = ["datasets"]


def datasets(request: DatasetsRequest, _on_progress: OnProgress) -> DatasetsResult:
    """Every dataset of params.yaml and every layout; of a single one, what is known of it."""
    params, workspace = load_params(request.params), Workspace(tables=request.tables)
    if request.about is not None:
        about = describe_layout(find_layout(params.dataset(request.about).layout))
        return DatasetsResult((_row(request.about, params, workspace.table(request.about)),), about)
    names = dict.fromkeys([*params.datasets, *params.run.datasets, *LAYOUTS])
    return DatasetsResult(tuple(_row(name, params, workspace.table(name)) for name in names))


def _row(name: str, params: Params, table: Path) -> DatasetRow:
    source = params.dataset(name)
    info, n_rows = SampleTable.read_info(table) if table.exists() else (None, None)
    return DatasetRow(
        name=name,
        layout=source.layout,
        root=source.root,
        exists=Path(source.root).exists(),
        rows=n_rows,
        outdated=table_changes(name, info, params) if info else "",
    )
