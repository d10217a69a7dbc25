"""fer-stage train: heads on cached features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.errors import TrainingError
from stages.commands.options import (
    device_option,
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    params_path_option,
    quiet_option,
)
from stages.output import echo_record, echo_rows, say

__all__ = ["command"]

_SHOWN = ("method", "encoder", "dataset", "variant", "seed", "epochs", "seconds", "selected_epoch", "val", "dropped")
_SHOWN_OF_ROWS = ("n_train", "n_val", "views", "dtype")

# In all runs of a command; people read them elsewhere.
_ALIKE = ("method", "encoder", "dataset", *_SHOWN_OF_ROWS, "encoder_saw", "note")


@click.command("train")
@click.option("--method", required=True, help="linear-probe, feature-mask, cafe, kefer...: docs/methods lists them.")
@click.option("--dataset", required=True, help="What to train on; its validation split selects the epoch.")
@click.option("--encoder", help="Whose features.  [default: the first of params.yaml]")
@click.option(
    "--seed", "--seeds", "seeds", help="Of weights, order, drops: 3, 0-9, 0,2.  [default: run.seeds of params.yaml]"
)
@click.option("--option", "options", multiple=True, help="NAME=VALUE of the method's options; may be repeated.")
@click.option(
    "--grid", multiple=True, help="NAME=VALUE,VALUE,...: a run for each value; repeated, for each combination."
)
@click.option("--recipe", default="", help="Settings of a paper, as cafe/raf-db: fer-stage recipes lists them.")
@click.option("--prompts", help="Prompt set of text heads.  [default: params.yaml]")
@click.option("--text", help="Encoder whose text vectors are used.  [default: the features' own]")
@click.option("--prune", is_flag=True, help="Remove the runs of seeds that are not named; those of variants stay.")
@click.option(
    "--curves",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write each history as CURVES/[VARIANT/]seed-N.csv: `dvc plots` reads folders of nothing else.",
)
@click.option("--dry-run", is_flag=True, help="Check store, options and text; train and write nothing.")
@features_option
@folder_option("runs", "Folder of trained heads.")
@device_option
@params_path_option
@follow_links_option
@format_option
@quiet_option
def command(**given: Any) -> None:
    """Train heads on a dataset's cached features: runs/ENCODER/METHOD/DATASET/[VARIANT/]seed-N/.

    VARIANT is the point of a grid, and a text or a prompt set that params.yaml does not name. Reads the train and
    validation splits of that dataset and nothing else. Many seeds and the points of a grid share one load of the
    features; small heads are trained as one batch of networks. A run that is there already is replaced.
    """
    from pipeline.footnotes import LEGEND
    from stages.progress import shown_progress
    from stages.workflows.train import Training

    training = Training.of(given)
    for line in (*((f"note: {training.said}",) if training.said else ()), *training.warnings):
        say(line)
    if training.in_seen_domain:
        say(f"{given['dataset']} {LEGEND}")
    if given["dry_run"]:
        _echo(training.plan(), given["output_format"])
        return
    trained: dict[Path, dict[str, Any]] = {}
    failure = None
    with shown_progress(quiet=given["quiet"]) as on_progress:
        try:
            trained.update((run.folder, record.as_json()) for run, record in training.train(on_progress))
        except TrainingError as error:  # of some runs: the others are shown first
            failure = error
    if failure is None:
        training.finish()
    alike = {"encoder_saw": training.in_seen_domain, "note": training.said}
    records = [
        {name: trained[run.folder][name] for name in (*_SHOWN, *_SHOWN_OF_ROWS)} | {"path": str(run.folder), **alike}
        for run in training.runs  # they are finished in another order
        if run.folder in trained
    ]
    if records:
        _echo(records, given["output_format"])
    _say_spread(records)
    for line in dict.fromkeys(line for record in trained.values() for line in _untrained(record["findings"])):
        say(line)
    for record in trained.values():
        _say_pretrained(record["findings"])
    if failure:
        raise failure


def _echo(records: Sequence[dict[str, Any]], output_format: str) -> None:
    """One run with all that is known of it; of several, people get a table of what tells them apart."""
    if len(records) == 1:
        echo_record(records[0], output_format)
    elif output_format == "table":
        echo_rows(records, output_format, [name for name in records[0] if name not in _ALIKE])
    else:
        echo_rows(records, output_format)


def _say_spread(records: Sequence[dict[str, Any]]) -> None:
    """Mean and deviation over the seeds of each variant, on stderr: scores of the validation split, not of a test."""
    from stages.workflows.sweep import spread_text

    for variant in dict.fromkeys(record["variant"] for record in records):
        chosen = [record for record in records if record["variant"] == variant]
        if len(chosen) > 1:
            say(f"{variant or chosen[0]['method']}: {spread_text([record['val'] for record in chosen], 'val ')}")


def _say_pretrained(findings: dict[str, Any]) -> None:
    """How much of an image network came from a file: a file that hardly fits trains from scratch without a sign."""
    if loaded := findings.get("pretrained"):
        say(f"{loaded['file']}: {loaded['share']:.0%} of the network's weights came from it")


def _untrained(findings: dict[str, Any]) -> list[str]:
    """The classes that a head cannot know: the train split has no row of them."""
    names = findings.get("no_train_rows", ())
    return [f"note: no train rows: {', '.join(names)}"] if names else []
