"""fer-stage head export: a trained head as one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stages.commands.options import (
    follow_links_option,
    format_option,
    method_code_option,
    params_option,
    request_of,
)
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("export")
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Folder of a trained run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="New folder; a folder with other files is never changed.",
)
@click.option("--onnx", is_flag=True, help="Also head.onnx, for programs without PyTorch; needs the extra [onnx].")
@click.option("--encoder", help="With --onnx, for heads that contain a part of their encoder.  [default: the run's]")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    default=(),
    metavar="DATASET=OWNER/NAME[:TASK]",
    help="A test dataset that is a benchmark of the Hugging Face Hub: its score also as .eval_results/DATASET.yaml. "
    "May be given several times.  [default: none]",
)
@method_code_option
@click.option("--dry-run", is_flag=True, help="Check the run and the folder; write nothing.")
@params_option
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Write head.safetensors, head.json and README.md (the model card) of a trained head into one folder.

    The folder has everything that `predict --run` needs on another machine, except for the encoder. head.json has the
    encoder's identity, and any other encoder is refused. The scores in the card are those that `evaluate` wrote for
    this head: evaluate first. The card begins with what the Hugging Face Hub reads; nothing is uploaded. Exporting the
    same head again changes nothing.
    """
    from stages.requests import ExportHeadRequest
    from stages.running import run
    from stages.workflows.export_head import export_head

    result = run(export_head, request_of(ExportHeadRequest, options))
    echo_record(result.summary(), output_format)
    for note in result.notes:
        say(f"note: {note}")
