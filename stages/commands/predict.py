"""fer-stage predict: pictures, folders and videos -> the expressions of the faces in them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    DurationType,
    device_option,
    follow_links_option,
    format_option,
    max_rejected_option,
    method_code_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_rows, say
from stages.preloading import preload_torch

if TYPE_CHECKING:
    from pipeline.predict import Prediction
    from stages.workflows.predict import PredictedRow, PredictSession

__all__ = ["command"]

_DIGITS = {
    **dict.fromkeys(("seconds", "start_s", "end_s"), 3),
    "score": 4,
    **dict.fromkeys(("box", "x", "y", "width", "height"), 1),
}


@click.command("predict")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Folder of a trained run, or of an exported head.  [default: the head in the package]",
)
@click.option("--encoder", help="The head's encoder, if it has another name here.  [default: the one in the head]")
@click.option(
    "--annotate",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for copies of the pictures and videos with boxes and labels.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for a plot of each video: probabilities over time.",
)
@click.option(
    "--per",
    type=click.Choice(("window", "frame", "clip")),
    default="window",
    show_default=True,
    help="Rows of a video: one for each person and window, for each face of a frame, or for the clip.",
)
@click.option("--window", type=DurationType(), default=2.0, help="Length of a window.  [default: 2s]")
@click.option("--step", type=DurationType(), default=1.0, help="From a window to the next.  [default: 1s]")
@click.option(
    "--every",
    type=DurationType(),
    help="From a frame of a video that is read to the next; 0 reads all.  "
    "[default: 0.2s, less if the head needs more frames; 1s with --per frame]",
)
@click.option(
    "--rotate/--no-rotate",
    default=True,
    show_default=True,
    help="Also search pictures that are rotated: by 90, 180 and 270 degrees where no face has a high score.",
)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Faces a step.")
@max_rejected_option(0.99, "unreadable images above which the command ends with code 3")
@method_code_option
@device_option
@params_option
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Name the expressions of the faces in pictures, folders of pictures, patterns of paths, and videos.

    One row is one face, the largest of a picture first. A picture without a face is one row, as is one that cannot
    be read; if none can be read the command ends with code 3, or stops early (`--max-rejected`).

    Of a video, one row is one person in one window (`--per`, `--window`, `--step`).
    """
    preload_torch()
    from stages.requests import PredictRequest
    from stages.running import run
    from stages.workflows.predict import folder_problem, open_session

    request = request_of(PredictRequest, options)
    if problem := folder_problem(request):
        raise click.UsageError(problem)
    session = run(open_session, request)
    for line in session.notes:
        say(f"note: {line}")
    _print_rows(session, output_format)
    if session.written.plots:
        say(f"plots: {', '.join(map(str, session.written.plots))}")
    say(_summary_line(session.summary()))
    session.check()


def _print_rows(session: PredictSession, output_format: str) -> None:
    """A table at the end, or where it is interrupted; JSON and CSV row by row, in memory that does not grow."""
    from stages.progress import progress_display

    out = sys.stdout  # a progress bar replaces sys.stdout
    streamed = output_format != "table"
    quiet = session.request.quiet or (streamed and out.isatty())  # the rows themselves show the progress
    records: list[dict[str, Any]] = []
    interrupted: KeyboardInterrupt | None = None
    with progress_display(quiet=quiet) as on_progress:
        rows = (_record(row, session, output_format) for row in session.rows(on_progress))
        if streamed:
            echo_rows(rows, output_format, file=out)
            return
        try:
            records.extend(rows)
        except KeyboardInterrupt as stop:
            interrupted = stop
    echo_rows(records, output_format)
    if interrupted:
        raise interrupted


def _summary_line(counts: Mapping[str, Any]) -> str:
    rate = f", {counts['pictures_per_s']:.1f} pictures/s" if counts["pictures_per_s"] else ""
    if "videos" in counts:  # a row is a person in a window
        return (
            f"videos {counts['videos']:,}, tracks {counts['tracks']:,}, frames and pictures {counts['pictures']:,}; "
            f"rows with a face {counts['faces']:,}, without {counts['without_face']:,}, "
            f"unreadable {counts['unreadable']:,}{rate}"
        )
    return (
        f"pictures {counts['pictures']:,}, faces {counts['faces']:,}, without a face {counts['without_face']:,}, "
        f"unreadable {counts['unreadable']:,}{rate}"
    )


def _record(row: PredictedRow, session: PredictSession, output_format: str) -> dict[str, Any]:
    """A row as plain data: nested for JSON, flat for CSV, a few columns for a table."""
    annotated = str(row.annotated) if row.annotated else None
    if output_format == "table":
        short = _short(row.prediction, windows=session.has_windows)
        return short | ({"annotated": annotated} if session.request.annotate else {})
    if output_format == "json":
        record = row.prediction.as_json()
    else:
        record = row.prediction.as_row(session.classes, windows=session.has_windows)
    return {name: _rounded(name, value) for name, value in record.items()} | {"annotated": annotated}


def _short(one: Prediction, *, windows: bool) -> dict[str, Any]:
    window = {name: _rounded(name, getattr(one, name), 1) for name in ("track", "start_s", "end_s")}
    return {
        "image": one.image,
        **(window if windows else {"seconds": _rounded("seconds", one.seconds, 1)}),
        "box": [round(side) for side in one.box] if one.box else None,
        "expression": one.expression,
        "probability": _rounded("probability", one.probability, 2),
        "reason": one.reason or ("" if one.expression else "no face found"),
    }


def _rounded(name: str, value: Any, digits: int | None = None) -> Any:
    """Rounded to `digits`; by default `_DIGITS`, and 6 for probabilities."""
    if isinstance(value, float):
        return round(value, _DIGITS.get(name, 6) if digits is None else digits)
    if isinstance(value, list):
        return [_rounded(name, one) for one in value]
    return {key: _rounded(key, one) for key, one in value.items()} if isinstance(value, dict) else value
