"""fer-stage head export: a trained head as one folder."""

from __future__ import annotations

from pathlib import Path

import click

from stages.commands.options import follow_links_option, format_option, params_path_option
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("export")
@click.option("--run", "folder", type=click.Path(path_type=Path), required=True, help="Folder of a trained run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="New folder; one that holds anything is never changed.",
)
@click.option("--onnx", is_flag=True, help="Also head.onnx, for programs without PyTorch; needs the extra [onnx].")
@click.option("--encoder", help="With --onnx, of heads that hold a part of their encoder.  [default: the run's]")
@click.option("--dry-run", is_flag=True, help="Check the run and the folder; write nothing.")
@params_path_option
@follow_links_option
@format_option
def command(
    folder: Path, out: Path, onnx: bool, encoder: str | None, dry_run: bool, params_path: Path, output_format: str
) -> None:
    """Write head.safetensors, head.json and README.md (the model card) of a trained head into one folder.

    It holds all that `predict --run` needs on another machine but the encoder, which it knows by its identity: another
    one is refused. Scores are those that `evaluate` kept of this very head: evaluate first. Exporting the same head
    again changes nothing.
    """
    from stages.params import load_params
    from stages.workflows.export_head import Export
    from stages.workflows.store_encoder import encoder_changes

    named = str(load_params(params_path).encoder(encoder)[1]) if encoder else ""
    export = Export.of(folder, out, onnx=onnx, encoder=named)
    status = "up to date" if export.up_to_date else "planned" if dry_run else "written"
    if status == "written":
        if onnx:
            say("writing head.onnx and comparing it with PyTorch")
        export.write()
    echo_record(export.summary(status), output_format)
    saved = export.saved
    if changes := encoder_changes(saved.encoder_spec, saved.record.head.encoder.encoder):
        say(
            f"note: {saved.encoder_spec} means another encoder on this machine now than the head's: {changes}. "
            "Whoever gets the head needs the one that it was trained with"
        )
    if export.note:
        say(f"note: {export.note}")
