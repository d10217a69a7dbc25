"""fer-stage datasets: what can be read, what is configured, what is there."""

from __future__ import annotations

from pathlib import Path

import click

from stages.commands.options import folder_option, format_option, params_path_option
from stages.output import echo_rows

__all__ = ["command"]


@click.command("datasets")
@folder_option("tables", "Folder of sample tables.")
@params_path_option
@format_option
def command(tables: Path, params_path: Path, output_format: str) -> None:
    """Every configured dataset and every layout: its root, whether it is on disk, rows of its table if indexed.

    `outdated` says how the table differs from what params.yaml says now; `extract` then indexes the dataset again.
    """
    from pipeline.datasets.layouts import LAYOUTS
    from pipeline.tables.samples import SampleTable
    from stages.params import load_params
    from stages.workflows.tables import table_changes
    from stages.workspace import Workspace

    params = load_params(params_path)
    rows = []
    for name in dict.fromkeys([*params.datasets, *params.run.datasets, *LAYOUTS]):
        how = params.dataset(name)
        table = Workspace(tables=tables).table(name)
        info, n_rows = SampleTable.read_info(table) if table.exists() else (None, None)
        rows.append(
            {
                "name": name,
                "layout": how.layout,
                "root": how.root,
                "found": Path(how.root).exists(),
                "rows": n_rows,
                "outdated": table_changes(name, info, params) if info else "",
            }
        )
    echo_rows(rows, output_format)
