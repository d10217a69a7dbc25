"""fer-stage align: images -> face table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stages.commands.options import (
    face_tables_option,
    folder_option,
    follow_links_option,
    format_option,
    max_rejected_option,
    params_path_option,
    quiet_option,
)
from stages.errors import check_rejected
from stages.output import echo_record

__all__ = ["command"]


@click.command("align")
@click.option("--dataset", required=True, help="Name from params.yaml, or a layout's name.")
@click.option("--threads", type=click.IntRange(1), help="That read, decode and detect.  [default: cores]")
@click.option("--limit", type=click.IntRange(1), help="Only the first N rows, into a face table of its own.")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also write one PNG to look at.")
@click.option("--if-any", is_flag=True, help="An empty face table, unless params.yaml has extract.faces: aligned.")
@max_rejected_option(0.99, "rejected images above which the command ends with code 3; the faces are kept")
@click.option("--dry-run", is_flag=True, help="Print what would be done; detect and write nothing.")
@folder_option("tables", "Folder of sample tables.")
@face_tables_option
@params_path_option
@follow_links_option
@format_option
@quiet_option
def command(**given: Any) -> None:
    """Find the face of every image of a dataset, and keep its box and five landmarks.

    That is the dear part. `extract --faces aligned` cuts the faces out as it reads the images, in any size and with any
    margin. Faces that an earlier run found are not looked for again, also if that run was stopped.
    """
    from stages.progress import shown_progress
    from stages.requests import AlignRequest
    from stages.workflows.align import aligned
    from stages.workflows.tables import index_named

    sheet = given["contact_sheet"]
    if sheet and sheet.suffix.lower() != ".png":
        raise click.UsageError(f"--contact-sheet: expected a name that ends with .png, found {sheet}")
    request = AlignRequest(given["dataset"], params=given["params_path"], tables=given["tables"])
    with shown_progress(quiet=given["quiet"]) as on_progress, index_named(request):
        summary = aligned(given, on_progress)
    echo_record(summary, given["output_format"])
    n_rejected, see = summary.get("rejected", 0), f". {summary['path']} has the reasons"
    check_rejected(n_rejected, summary["rows"], given["max_rejected"], "images are rejected", see)
