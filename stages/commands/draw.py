"""fer-stage draw: the embedded sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import follow_links_option, params_option, quiet_option, request_of
from stages.output import say

if TYPE_CHECKING:
    from stages.requests import DrawRequest

__all__ = ["command"]

_COUNTS = {"image": "images", "clip": "clips"}  # what a style is made of -> the option that counts it


@click.command("draw")
@click.option(
    "--style",
    multiple=True,
    help="sample-a to sample-e, as different as five datasets, or sample-video-a to sample-video-e, clips in these "
    "styles; may be repeated.  [default: run.samples of params.yaml; of --group: sample-d]",
)
@click.option("--group", type=click.IntRange(1), help="One picture of this number of people instead.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder; of several styles, that of their folders; file of --group.  [default: data/STYLE; group.png]",
)
@click.option("--images", type=click.IntRange(60), help="How many faces.  [default: params.yaml, else 1200]")
@click.option("--clips", type=click.IntRange(21), help="How many clips.  [default: params.yaml, else 210]")
@click.option("--seed", type=click.IntRange(0), help="Another seed draws other people.  [default: params.yaml, else 0]")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also write a picture of all expressions.")
@click.option("--dry-run", is_flag=True, help="Print what would be drawn; write nothing.")
@follow_links_option
@params_option
@quiet_option
def command(style: Sequence[str], **options: Any) -> None:
    """Draw faces or clips with seven expressions in five styles. Nothing is downloaded; a seed gives the same files.

    Every core draws a share. A clip is an .mp4 of 24 frames, in which a face at rest shows an expression and is at rest
    again. With --group one picture of several people is drawn, as an input for `fer-stage predict`.
    """
    from stages.requests import DrawRequest
    from stages.running import run
    from stages.workflows.draw import draw

    if options["group"] is not None or len(style) == 1:
        if len(style) > 1:
            raise click.UsageError("--group: expected one --style")
        requests = [request_of(DrawRequest, {**options, "style": style[0] if style else None})]
    else:
        requests = _requests_of_styles(style, options)
    for result in (run(draw, request) for request in requests):
        what = f"{result.n} {result.what} of {result.style} in {result.path}"
        say(f"would draw {what}" if options["dry_run"] else what)
    if not (requests or options["dry_run"]):
        (options["out"] or Path("data")).mkdir(parents=True, exist_ok=True)  # an output of dvc.yaml has to be there


def _requests_of_styles(style: Sequence[str], options: Mapping[str, Any]) -> list[DrawRequest]:
    """A request for each style, each once; by default those of params.yaml."""
    from pipeline.datasets.drawn import kind_of
    from stages.params import load_params
    from stages.requests import DrawRequest

    if options["contact_sheet"]:
        raise click.UsageError("--contact-sheet: expected one --style")
    out = options["out"] or Path("data")
    styles = dict.fromkeys(style or load_params(options["params"]).run.samples)
    units = {name: kind_of(name).unit for name in styles}
    requests = []
    for name, unit in units.items():
        counts = {_COUNTS[other]: None for other in set(units.values()) - {unit}}  # those of the others
        requests.append(request_of(DrawRequest, {**options, **counts, "style": name, "out": out / name}))
    return requests
