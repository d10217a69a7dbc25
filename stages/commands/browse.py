"""fer-stage browse: the pictures of test sets, and what heads predicted of them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import click

from stages.commands.options import (
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("browse")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--dataset", "datasets", multiple=True, help="May be repeated.  [default: all that the runs were scored on]"
)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Others than test are of stores only: predictions are of the test split.",
)
@click.option("--tsne", is_flag=True, help="Also places by t-SNE, of up to 5,000 pictures of each encoder.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="New folder for the page and COPIES of its pictures; no server then."
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    help="Also write the 24 most confident mistakes as a PNG; of one run and one dataset.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="On 127.0.0.1; 0 is any that is free."
)
@click.option("--dry-run", is_flag=True, help="Read and count; serve and write nothing.")
@features_option
@folder_option("tables", "Folder of sample tables, which say where the pictures are.")
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Show the pictures of test sets on a page: scatter of features, confident mistakes first, confusion, neighbors.

    RUN is the folder of a trained run, or of several, that `evaluate` has scored; or a store, whose pictures are shown
    without predictions.

    The page is on 127.0.0.1 only, at an address with a random token, until Ctrl-C. Pictures come from the `pixels` of
    the store, else from the dataset's files, are read when they are looked at, and are never copied, but by --out and
    --sheet: do not publish what these write.
    """
    from stages.requests import BrowseRequest
    from stages.running import run
    from stages.workflows.browse import browse

    request = request_of(BrowseRequest, options)
    result = run(browse, request)
    for note in result.notes:
        say(f"note: {note}")
    if request.out or request.sheet or request.dry_run:
        echo_record(result.summary(), output_format)
        return
    with result.serving() as address:
        echo_record({"address": address, **result.summary()}, output_format)
        sys.stdout.flush()
        say("open the address in a browser of this machine; Ctrl-C ends it")
        threading.Event().wait()
