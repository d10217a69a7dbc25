"""fer-stage align: images -> face table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stages.commands.options import (
    face_tables_option,
    folder_option,
    follow_links_option,
    format_option,
    max_rejected_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record, echo_rows

__all__ = ["command"]


@click.command("align")
@click.option(
    "--dataset", multiple=True, required=True, help="Name from params.yaml, or a layout's name; may be repeated."
)
@click.option("--threads", type=click.IntRange(1), help="Threads that read, decode and detect.  [default: cores]")
@click.option("--limit", type=click.IntRange(1), help="Only the first N rows, into a face table of its own.")
@click.option(
    "--contact-sheet", type=click.Path(path_type=Path), help="Also write a PNG of some images and their faces."
)
@click.option("--if-any", is_flag=True, help="Write an empty face table unless params.yaml has extract.faces: aligned.")
@max_rejected_option(0.99, "rejected images above which the command ends with code 3; the face table is kept")
@click.option("--dry-run", is_flag=True, help="Print what would be done; detect and write nothing.")
@folder_option("tables", "Folder of sample tables.")
@face_tables_option
@params_option
@follow_links_option
@format_option
@quiet_option
def command(dataset: Sequence[str], output_format: str, **options: Any) -> None:
    """Find the face of every image of a dataset or several, and write its box and five landmarks to a face table.

    Detection is the expensive part: `extract --faces aligned` then crops the faces while it reads the images, in any
    size and with any margin. Images that an earlier run has searched are not searched again, also if it was
    interrupted.
    """
    from stages.requests import AlignRequest
    from stages.running import run
    from stages.workflows.align import align

    if len(set(dataset)) > 1 and options["contact_sheet"]:
        raise click.UsageError("--contact-sheet: expected one --dataset")
    requests = [request_of(AlignRequest, {**options, "dataset": name}) for name in dict.fromkeys(dataset)]
    results = [run(align, request) for request in requests]
    if len(results) == 1:
        echo_record(results[0].summary(), output_format)
    else:
        echo_rows([result.summary() for result in results], output_format)
    for result in results:
        result.check()
