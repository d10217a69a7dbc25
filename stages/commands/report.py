"""fer-stage report: all runs -> one page, and tables for DVC."""

from __future__ import annotations

from typing import Any

import click

from stages.commands.options import features_option, folder_option, follow_links_option, format_option, request_of
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("report")
@click.option("--dry-run", is_flag=True, help="Read and check all runs; write nothing.")
@folder_option("runs", "Folder of trained heads.")
@features_option
@folder_option("audits", "Folder of what `fer-stage audit` found.")
@folder_option("tables", "Folder of sample tables: an audit of other tables is named only.")
@folder_option("reports", "Folder of the page and its tables.")
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Write REPORTS/index.html: cross-dataset matrices, confusions, curves and settings of all runs.

    Means are over seeds, and over the pairs of datasets that all methods have; runs that differ otherwise have a row or
    a column of their own. Notes on stderr and on the page list what was left out or separated.

    The page needs no network. The same folder has metrics.json (`dvc metrics diff`) and tables/*.csv.
    """
    from stages.requests import ReportRequest
    from stages.running import run
    from stages.workflows.report import report

    result = run(report, request_of(ReportRequest, options))
    for note in result.notes:
        say(f"note: {note}")
    echo_record(result.summary(), output_format)
