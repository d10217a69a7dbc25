"""fer-stage draw: the embedded sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stages.commands.options import follow_links_option, params_option, quiet_option, request_of
from stages.output import say

__all__ = ["command"]


@click.command("draw")
@click.option("--style", help="sample-a to sample-e, as different as five datasets.  [default of --group: sample-d]")
@click.option("--group", type=click.IntRange(1), help="One picture of this number of people instead.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder; file of --group.  [default: data/STYLE; group.png]"
)
@click.option("--images", type=click.IntRange(60), help="How many faces.  [default: params.yaml, else 1200]")
@click.option("--seed", type=click.IntRange(0), help="Another seed draws other people.  [default: params.yaml, else 0]")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also write a picture of all expressions.")
@click.option("--dry-run", is_flag=True, help="Print what would be drawn; write nothing.")
@follow_links_option
@params_option
@quiet_option
def command(**options: Any) -> None:
    """Draw faces with seven expressions in one of five styles. Nothing is downloaded; a seed gives the same files.

    With --group one picture of several people is drawn, as an input for `fer-stage predict`.
    """
    from stages.requests import DrawRequest
    from stages.running import run
    from stages.workflows.draw import draw

    request = request_of(DrawRequest, options)
    result = run(draw, request)
    what = f"{result.n} {'people' if result.is_group else 'faces'} of {result.style} in {result.path}"
    say(f"would draw {what}" if request.dry_run else what)
