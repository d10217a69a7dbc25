"""fer-stage report: all runs -> one page, and tables for DVC."""

from __future__ import annotations

from typing import Any

import click

from stages.commands.options import (
    NamesType,
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    request_of,
)
from stages.names import FIGURES
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("report")
@click.option("--dry-run", is_flag=True, help="Read and check all runs; write nothing.")
@folder_option("runs", "Folder of trained heads.")
@features_option
@folder_option("audits", "Folder of what `fer-stage audit` found.")
@folder_option("tables", "Folder of sample tables: an audit of other tables is named only.")
@folder_option("reports", "Folder of the page and its tables.")
@click.option(
    "--latex", is_flag=True, help="Also tables for a paper: REPORTS/latex/*.tex, and preview.tex of them all."
)
@click.option(
    "--figures",
    type=NamesType(),
    is_flag=False,
    flag_value="all",
    default=(),
    metavar="[NAMES]",
    help=f"Also REPORTS/figures: {','.join(FIGURES)}; without NAMES all. Needs the extra [figures].",
)
@click.option(
    "--significance",
    is_flag=True,
    help="In the matrices of --latex, underline scores that are not seen to differ from the best, as compare tests it.",
)
@click.option(
    "--uncertainty",
    type=click.Choice(["seeds", "interval", "none"]),
    default="seeds",
    show_default=True,
    help="Behind each score of --latex: its deviation over seeds, its 95 % interval over test images, or nothing.",
)
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Write REPORTS/index.html: cross-dataset matrices, confusions, curves and settings of all runs.

    Means are over seeds, and over the pairs of datasets that all methods have; runs that differ otherwise have a row or
    a column of their own. Notes on stderr and on the page list what was left out or separated.

    The page needs no network. The same folder has metrics.json (`dvc metrics diff`) and tables/*.csv; with --latex and
    --figures also tables as LaTeX, and figures as PDF and SVG, each with its numbers as CSV and its caption as LaTeX.
    """
    from stages.requests import ReportRequest
    from stages.running import run
    from stages.workflows.report import report

    result = run(report, request_of(ReportRequest, options))
    for note in result.notes:
        say(f"note: {note}")
    echo_record(result.summary(), output_format)
