"""fer-stage report: all runs -> one page, and tables for DVC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stages.commands.options import features_option, folder_option, follow_links_option, format_option
from stages.output import echo_record, say

if TYPE_CHECKING:
    from cache.places import Place

__all__ = ["command"]


@click.command("report")
@click.option("--dry-run", is_flag=True, help="Read and check all runs; write nothing.")
@folder_option("runs", "Folder of trained heads.")
@features_option
@folder_option("reports", "Folder of the page and its tables.")
@follow_links_option
@format_option
def command(runs: Path, features: Place, reports: Path, dry_run: bool, output_format: str) -> None:
    """Gather all runs: cross-dataset matrices, confusion, curves, and what was run, in REPORTS/index.html.

    Means are over seeds alone and over the pairs of datasets that all methods have; what differs otherwise is a row or
    a column of its own. What was left out or separated is listed on stderr and on the page.

    The page needs no network. Beside it are metrics.json (`dvc metrics diff`) and tables/*.csv.
    """
    from cache.places.links import require_inside
    from stages.workflows.report import gather, make_report, write_report

    page = reports / "index.html"
    require_inside(page, reports)
    records = gather(runs, features)
    report = make_report(records)
    if not dry_run:
        write_report(report, reports)
    for note in report.notes:
        say(f"note: {note}")
    echo_record({"path": str(page), "runs": len(records.runs)}, output_format)
