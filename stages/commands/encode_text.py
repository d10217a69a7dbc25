"""fer-stage encode-text: prompts -> vectors."""

from __future__ import annotations

from typing import Any

import click

from stages.commands.options import (
    device_option,
    features_option,
    follow_links_option,
    format_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record
from stages.preloading import preload_torch_unless

__all__ = ["command"]


@click.command("encode-text")
@click.option("--encoder", help="Name from params.yaml, or FAMILY:ARCH...  [default: the first of params.yaml]")
@click.option("--prompts", help="Prompt set: kefer, clip...  [default: params.yaml]")
@click.option("--if-any", is_flag=True, help="An encoder without a text tower gets an empty set instead of an error.")
@click.option("--dry-run", is_flag=True, help="Print what would be encoded; write nothing.")
@features_option
@device_option
@params_option
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Encode every prompt template with every class name (all eight) through the frozen text tower.

    The vectors of all templates are stored; a head selects one or averages them.
    """
    if options["encoder"] and not options["dry_run"]:
        preload_torch_unless(options["features"] / options["encoder"] / "text")
    from stages.requests import EncodeTextRequest
    from stages.running import run
    from stages.workflows.encode_text import encode_text

    echo_record(run(encode_text, request_of(EncodeTextRequest, options)).summary(), output_format)
