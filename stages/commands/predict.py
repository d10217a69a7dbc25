"""fer-stage predict: pictures, folders and videos -> the expressions of the faces in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    FiniteRange,
    device_option,
    follow_links_option,
    format_option,
    max_rejected_option,
    params_path_option,
    quiet_option,
)
from stages.errors import CheckFailedError, check_rejected
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from stages.workflows.predict import Predicting

__all__ = ["command"]


@click.command("predict")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Folder of a trained run, or of an exported head.  [default: the head that fer-stage carries]",
)
@click.option("--encoder", help="The head's encoder, if it has another name here.  [default: the one in the head]")
@click.option("--annotate", type=click.Path(path_type=Path, file_okay=False), help="Write pictures with labels there.")
@click.option(
    "--every", type=FiniteRange(0), default=1.0, show_default=True, help="Seconds of a video a frame; 0 is all."
)
@click.option("--no-turn", is_flag=True, help="Do not look for faces in sideways pictures that do not say so.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Faces a step.")
@max_rejected_option(0.99, "unreadable images above which the command ends with code 3")
@device_option
@params_path_option
@follow_links_option
@format_option
@quiet_option
def command(**given: Any) -> None:
    """Name the expressions of the faces in pictures, folders of pictures, patterns of paths, and videos.

    One row is one face, the largest of a picture first. A picture without a face is a row that says so, as is one that
    cannot be read; if none at all can be read the command ends with code 3, or stops early (`--max-rejected`).
    """
    # OpenCV would tell on stderr of every damaged block of a video; it reads these when it is imported.
    for name, level in (("OPENCV_FFMPEG_LOGLEVEL", "-8"), ("OPENCV_LOG_LEVEL", "ERROR")):
        os.environ.setdefault(name, level)
    from stages.progress import shown_progress
    from stages.workflows.predict import Predicting

    with shown_progress(quiet=given["quiet"]) as on_progress:
        predicting = Predicting.of(given, on_progress)
    for line in predicting.notes:
        say(f"note: {line}")
    _show(predicting, given["output_format"], quiet=given["quiet"])
    say(predicting.summary)
    if predicting.stopped:
        raise predicting.stopped
    if not predicting.n_read:
        raise CheckFailedError("nothing could be read: each row has its reason")
    n, see = predicting.n_pictures, ": each row has its reason"
    check_rejected(n - predicting.n_read, n, given["max_rejected"], "pictures are unreadable", see)


def _show(predicting: Predicting, output_format: str, *, quiet: bool) -> None:
    """A table when all is known; JSON and CSV row by row, so that their number needs no memory."""
    from stages.progress import shown_progress

    out = sys.stdout  # a progress bar takes its place
    streamed = output_format != "table"
    with shown_progress(quiet=quiet or (streamed and out.isatty())) as on_progress:  # rows that come are progress
        rows = predicting.rows(on_progress)
        if streamed:
            echo_rows((predicting.record(row, output_format) for row in rows), output_format, file=out)
            return
        found = list(rows)
    echo_rows([predicting.record(row, output_format) for row in found], output_format)
