"""fer-stage status: what is stale, interrupted or missing, why, and the command for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from stages.commands.options import (
    device_option,
    face_tables_option,
    features_option,
    folder_option,
    format_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_rows, say

__all__ = ["command"]

_COLUMNS = ("stage", "output", "state", "reason", "command")


@click.command("status")
@click.option("--all", "show_all", is_flag=True, help="Also print what is up to date.")
@folder_option("tables", "Folder of sample tables.")
@face_tables_option
@features_option
@folder_option("runs", "Folder of trained heads.")
@folder_option("audits", "Folder of what `fer-stage audit` found.")
@folder_option("reports", "Folder of the page and its tables.")
@device_option
@params_option
@format_option
@quiet_option
def command(output_format: str, show_all: bool, **options: Any) -> None:
    """Compare every output of the matrix in params.yaml with what its stage would make now. Nothing is made.

    Prints what is stale, interrupted, missing or refused, in the order in which stages make it: why, and the command
    that brings it up to date once all above it is. What is made of something stale is stale, too: its command may find
    that nothing has to be made. A table joins what one command makes. DVC is not needed.

    The exit code is 3 unless all is up to date.
    """
    from stages.requests import StatusRequest
    from stages.running import run
    from stages.workflows.status import status

    result = run(status, request_of(StatusRequest, options))
    shown = [output.as_json() for output in (result.outputs if show_all else result.pending)]
    if output_format == "table" and not show_all:
        shown = _joined(shown)
    if shown or output_format != "table":
        echo_rows(shown, output_format, _COLUMNS)
    for note in result.notes:
        say(f"note: {note}")
    result.check()
    say(f"all {len(result.outputs):,} outputs are up to date")


def _joined(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """One row for those of a stage that have one state and command, with the first reason: a matrix has hundreds."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        groups.setdefault((row["stage"], row["state"], row["command"]), []).append(row["output"])
    reasons = {(row["stage"], row["state"], row["command"]): row["reason"] for row in reversed(rows)}
    return [
        {
            "stage": stage,
            "output": outputs[0] + (f" and {len(outputs) - 1:,} more" if len(outputs) > 1 else ""),
            "state": state,
            "reason": reasons[stage, state, command],
            "command": command,
        }
        for (stage, state, command), outputs in groups.items()
    ]
