"""fer-stage train: heads on cached features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    device_option,
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    options_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record, echo_rows, say

if TYPE_CHECKING:
    from stages.requests import Grid
    from stages.results import TrainResult

__all__ = ["command"]

_COLUMNS = ("method", "encoder", "dataset", "variant", "seed", "epochs", "seconds", "selected_epoch", "val", "dropped")
_DATA_COLUMNS = ("n_train", "n_val", "views", "dtype")

# Equal in all runs of a command: left out of the table of several.
_CONSTANT_COLUMNS = ("method", "encoder", "dataset", *_DATA_COLUMNS, "encoder_saw", "note")


def _parsed_seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    from stages.seeds import parse_seeds  # late: `--help` does not need it

    return None if text is None else parse_seeds(text)


def _parsed_grid(context: click.Context, parameter: click.Parameter, axes: tuple[str, ...]) -> Grid:
    if not axes:
        return {}
    from stages.workflows.sweep import parse_grid  # late: it imports libraries that `--help` does not need

    return parse_grid(axes)


@click.command("train")
@click.option("--method", required=True, help="linear-probe, cafe...: docs/methods lists them. FILE.py:NAME: your own.")
@click.option("--dataset", required=True, help="What to train on; its validation split selects the epoch.")
@click.option("--encoder", help="Whose features.  [default: the first of params.yaml]")
@click.option(
    "--seed",
    "--seeds",
    "seeds",
    callback=_parsed_seeds,
    help="Of weights, order, drops: 3, 0-9, 0,2.  [default: run.seeds of params.yaml]",
)
@options_option("NAME=VALUE of the method's options; may be repeated.")
@click.option(
    "--grid",
    multiple=True,
    callback=_parsed_grid,
    help="NAME=VALUE,VALUE,...: a run for each value; repeated, for each combination.",
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
@params_option
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Train heads on a dataset's cached features: runs/ENCODER/METHOD/DATASET/[VARIANT/]seed-N/.

    VARIANT is the point of a grid, and a text or a prompt set that params.yaml does not name. Only the train and
    validation splits of that dataset are read. Many seeds and the points of a grid share one load of the
    features; small heads are trained as one batch of networks. An existing run at the same path is replaced.
    """
    from stages.requests import TrainRequest
    from stages.results import PartialTrainingError
    from stages.running import run
    from stages.workflows.train import train

    request = request_of(TrainRequest, options)
    try:
        result = run(train, request)
    except PartialTrainingError as error:
        _print_trained(error.result, output_format)
        raise
    if request.dry_run:
        _echo([planned.summary() for planned in result.planned], output_format)
    else:
        _print_trained(result, output_format)


def _print_trained(result: TrainResult, output_format: str) -> None:
    """The runs on stdout; on stderr mean and deviation over seeds, and notes on single heads."""
    shared = {"encoder_saw": result.encoder_saw, "note": result.note}
    names = (*_COLUMNS, *_DATA_COLUMNS)
    records = [run.record.as_json() for run in result.runs]
    _echo(
        [
            {name: record[name] for name in names} | {"path": str(run.folder), **shared}
            for run, record in zip(result.runs, records, strict=True)
        ],
        output_format,
    )
    _say_spread(records)
    for line in dict.fromkeys(line for record in records for line in _untrained(record["findings"])):
        say(line)
    for record in records:
        _say_pretrained(record["findings"])


def _echo(records: Sequence[Mapping[str, Any]], output_format: str) -> None:
    """One run with all its fields; the table of several has only the fields that differ."""
    if len(records) == 1:
        echo_record(records[0], output_format)
    elif output_format == "table":
        echo_rows(records, output_format, [name for name in records[0] if name not in _CONSTANT_COLUMNS])
    else:
        echo_rows(records, output_format)


def _say_spread(records: Sequence[Mapping[str, Any]]) -> None:
    """Mean and deviation over the seeds of each variant, on stderr: scores of the validation split, not of a test."""
    from stages.workflows.sweep import spread_text

    for variant in dict.fromkeys(record["variant"] for record in records):
        chosen = [record for record in records if record["variant"] == variant]
        if len(chosen) > 1:
            say(f"{variant or chosen[0]['method']}: {spread_text([record['val'] for record in chosen], 'val ')}")


def _say_pretrained(diagnostics: Mapping[str, Any]) -> None:
    """Print the share of an image network that was loaded from a file: it is small if the file does not fit."""
    if loaded := diagnostics.get("pretrained"):
        say(f"{loaded['file']}: {loaded['share']:.0%} of the network's weights came from it")


def _untrained(diagnostics: Mapping[str, Any]) -> list[str]:
    """A note on the classes that the train split has no row of."""
    names = diagnostics.get("no_train_rows", ())
    return [f"note: no train rows: {', '.join(names)}"] if names else []
