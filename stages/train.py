"""fer-stage train: one head on cached features."""

from __future__ import annotations

from typing import Any

import click

from stages.options import features_option, folder_option, format_option, params_option, quiet_option
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("train")
@click.option("--method", required=True, help="linear-probe, feature-mask, kefer: see README.")
@click.option("--dataset", required=True, help="What to train on; its validation split selects the epoch.")
@click.option("--encoder", help="Whose features.  [default: the first of params.yaml]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights, order and dropping.")
@click.option("--option", "options", multiple=True, help="NAME=VALUE of the method's options; may be repeated.")
@click.option("--prompts", help="Prompt set of text heads.  [default: params.yaml]")
@click.option("--dry-run", is_flag=True, help="Check store, options and text; train and write nothing.")
@features_option
@folder_option("runs", "Folder of trained heads.")
@params_option
@format_option
@quiet_option
def command(**given: Any) -> None:
    """Train one head on a dataset's cached features: runs/ENCODER/METHOD/DATASET/seed-N/.

    Reads the train and validation splits of that dataset and nothing else.
    """
    from stages.progress import shown_progress
    from stages.training import Training

    training = Training.of(given)
    if training.note:
        say(f"note: {training.note}")
    if given["dry_run"]:
        echo_record(training.plan(), given["output_format"])
        return
    with shown_progress(quiet=given["quiet"]) as on_progress:
        record = training.run(on_progress)
    names = ("method", "encoder", "dataset", "seed", "epochs", "seconds", "selected_epoch", "val", "dropped")
    summary = {name: record[name] for name in names}
    echo_record(summary | {"path": str(training.folder), "note": training.note}, given["output_format"])
