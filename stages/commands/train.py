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
from stages.preloading import preload_torch_unless

if TYPE_CHECKING:
    from pipeline.records import Run
    from stages.requests import Grid
    from stages.results import TrainResult

__all__ = ["command"]

_COLUMNS = ("method", "encoder", "dataset", "variant", "seed", "epochs", "seconds", "selected_epoch", "val", "dropped")
_DATA_COLUMNS = ("n_train", "n_val", "views", "dtype")

# Left out of the table of several runs: equal in all of a command, or of a dataset.
_CONSTANT_COLUMNS = ("method", "encoder", *_DATA_COLUMNS, "encoder_saw", "note")


def _parsed_seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    from stages.seeds import parse_seeds  # late: `--help` does not need it

    return None if text is None else parse_seeds(text)


def _parsed_fold(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    from stages.seeds import parse_folds  # late: `--help` does not need it

    return None if text is None else parse_folds(text, str(parameter.name))


def _parsed_folds(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """How many folds: a number; or which: a range, or several."""
    return int(text) if text and text.strip().isdecimal() else _parsed_fold(context, parameter, text)


def _parsed_grid(context: click.Context, parameter: click.Parameter, axes: tuple[str, ...]) -> Grid:
    if not axes:
        return {}
    from stages.workflows.sweep import parse_grid  # late: it imports libraries that `--help` does not need

    return parse_grid(axes)


@click.command("train")
@click.option("--method", required=True, help="linear-probe, cafe...: docs/methods lists them. FILE.py:NAME: your own.")
@click.option(
    "--dataset", multiple=True, help="What to train on; may be repeated.  [default: run.train of params.yaml]"
)
@click.option("--encoder", help="Whose features.  [default: the first of params.yaml]")
@click.option(
    "--seed",
    "--seeds",
    "seeds",
    callback=_parsed_seeds,
    help="Of weights, order, drops: 3, 0-9, 0,2.  [default: run.seeds of params.yaml]",
)
@click.option(
    "--fold",
    callback=_parsed_fold,
    help="Test on this fold, train on the others: 2, 1-3; of the table's own folds, or of as many as --folds states.",
)
@click.option(
    "--folds",
    callback=_parsed_folds,
    help="5: a run for each of five folds, the table's own, else made by subject, clip and picture; 1-5: those of the "
    "table; 0: none.  [default: run.folds of params.yaml]",
)
@options_option("NAME=VALUE of the method's options; may be repeated.")
@click.option(
    "--grid",
    multiple=True,
    callback=_parsed_grid,
    help="NAME=VALUE,VALUE,...: a run for each value; repeated, for each combination.  [default: those of params.yaml]",
)
@click.option("--recipe", default="", help="Settings of a paper, as cafe/raf-db: fer-stage recipes lists them.")
@click.option("--prompts", help="Prompt set of text heads.  [default: params.yaml]")
@click.option("--text", help="Encoder whose text vectors are used.  [default: the features' own]")
@click.option("--force", is_flag=True, help="Train again what is up to date, too.")
@click.option(
    "--prune",
    is_flag=True,
    help="Remove the runs of seeds and folds that are not named; those of variants stay. Of a grid in params.yaml all "
    "runs but its points.",
)
@click.option(
    "--curves",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write each history as CURVES/[DATASET/][VARIANT/]seed-N.csv: `dvc plots` reads folders of nothing else. "
    "DATASET unless one is named.",
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
    """Train heads on cached features: runs/ENCODER/METHOD/DATASET/[VARIANT/]seed-N/.

    VARIANT is the point of a grid, a text or a prompt set that params.yaml does not name, and a fold. Only the train
    and validation splits of a head's own dataset are read; the latter selects the epoch. Many seeds and the points of a
    grid share one load of the features; small heads are trained as one batch of networks. A run that is at its path
    already is up to date if the same head would be trained now; else it is replaced.

    In a fold its rows are the test split, and of the others a share by group (val_fraction of the layout, 0.1) is the
    validation split. All folds use one store: nothing is encoded again.
    """
    if options["encoder"] and options["method"] and not options["dry_run"]:
        preload_torch_unless(options["runs"] / options["encoder"] / options["method"])
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
    """The runs on stdout; on stderr mean and deviation over seeds, notes on single heads, and a summary."""
    planned = {run.folder: run for run in result.planned}
    records = [run.record.as_json() for run in result.runs]
    names = (*_COLUMNS, *_DATA_COLUMNS, *(["unit"] if any("unit" in record for record in records) else []))
    _echo(
        [
            {name: record.get(name, "image" if name == "unit" else None) for name in names}
            | {"status": run.status, "path": str(run.folder)}
            | {name: getattr(planned[run.folder], name) for name in ("encoder_saw", "note")}
            for run, record in zip(result.runs, records, strict=True)
        ],
        output_format,
    )
    _say_spread(records)
    for line in dict.fromkeys(line for record in records for line in _untrained(record["findings"])):
        say(line)
    for run in result.trained:
        _say_pretrained(run.record.findings)
    for line in dict.fromkeys(line for run in result.trained for line in _class_balance(run.record)):
        say(line)
    if result.up_to_date or len(result.runs) > 1:
        say(f"trained {len(result.trained)}, up to date {len(result.up_to_date)}")


def _echo(records: Sequence[Mapping[str, Any]], output_format: str) -> None:
    """One run with all its fields; the table of several has only the fields that differ."""
    if len(records) == 1:
        echo_record(records[0], output_format)
    elif output_format == "table":
        constant = {*_CONSTANT_COLUMNS, *(["dataset"] if len({record["dataset"] for record in records}) < 2 else [])}
        echo_rows(records, output_format, [name for name in records[0] if name not in constant])
    else:
        echo_rows(records, output_format)


def _say_spread(records: Sequence[Mapping[str, Any]]) -> None:
    """Mean and deviation over the seeds of each variant, on stderr: scores of the validation split, not of a test."""
    from stages.workflows.sweep import spread_text

    several = len({record["dataset"] for record in records}) > 1
    for dataset, variant in dict.fromkeys((record["dataset"], record["variant"]) for record in records):
        chosen = [record for record in records if (record["dataset"], record["variant"]) == (dataset, variant)]
        if len(chosen) > 1:
            name = variant or chosen[0]["method"]
            where = f"{name} on {dataset}" if several else name
            say(f"{where}: {spread_text([record['val'] for record in chosen], 'val ')}")


def _say_pretrained(diagnostics: Mapping[str, Any]) -> None:
    """Print the share of an image network that was loaded from a file: it is small if the file does not fit."""
    if loaded := diagnostics.get("pretrained"):
        say(f"{loaded['file']}: {loaded['share']:.0%} of the network's weights came from it")


def _class_balance(record: Run) -> list[str]:
    """Rows of each class, before and after classes were evened out; nothing where they were not."""
    balance = record.findings.get("class_balance")
    if not balance:
        return []
    lines = [f"{record.dataset} train rows: {_listed(balance['rows'])}"]
    if draws := balance.get("draws"):
        lines.append(f"drawn in an epoch, on average: {_listed(draws)}")
    if weights := balance.get("weights"):
        lines.append(f"weight in the cross-entropy: {', '.join(f'{name} {w:.3f}' for name, w in weights.items())}")
    return lines


def _listed(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _untrained(diagnostics: Mapping[str, Any]) -> list[str]:
    """A note on the classes that the train split has no row of."""
    names = diagnostics.get("no_train_rows", ())
    return [f"note: no train rows: {', '.join(names)}"] if names else []
