"""fer-stage evaluate: trained heads against datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.options import device_option, features_option, format_option, params_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import Place

__all__ = ["command"]

_COLUMNS = ("run", "dataset", "split", "seen", "n", "accuracy", "uar", "ci95", "rejected", "dropped")
_FOR_MACHINES = ("encoder_saw", "note")  # people get a mark and its legend, and the note below the table


@click.command("evaluate")
@click.option(
    "--run",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Folder of a trained run, or of several; may be repeated.",
)
@click.option("--dataset", "datasets", multiple=True, help="May be repeated.  [default: run.datasets of params.yaml]")
@click.option(
    "--split",
    type=click.Choice(["test", "val"]),
    help="Another split than the protocol's is printed only.  [default: protocol.test_split of params.yaml]",
)
@click.option("--dry-run", is_flag=True, help="Score and print; write nothing.")
@features_option
@device_option
@params_option
@format_option
def command(
    folders: tuple[Path, ...],
    datasets: tuple[str, ...],
    split: str | None,
    dry_run: bool,
    features: Place,
    device: str,
    params_path: Path,
    output_format: str,
) -> None:
    """Score trained heads on the test split of datasets, and write scores.json beside each.

    Scores of datasets that are not named stay as they are.
    Accuracy, UAR, recall per class, N, 95 % intervals, calibration error, confusion; rejected rows are counted.
    """
    from pipeline.saved import read_saved
    from stages.params import load_params
    from stages.scoring import Scorer, runs_below, write_scores

    params = load_params(params_path)
    wanted = datasets or tuple(params.run.datasets)
    found: list[dict[str, Any]] = []
    notes: dict[str, None] = {}
    runs, scorer = runs_below(folders), Scorer(features, params, device)
    for folder in runs:
        run = read_saved(folder)
        scores = scorer.score(run, wanted, split or params.protocol.test_split)
        notes[run.note] = None
        if not dry_run and split in (None, params.protocol.test_split):
            write_scores(folder, scores)
        found += [{"run": str(folder), **score, "note": run.note} for score in scores]
    _echo(found, output_format)
    if len(runs) > 1:
        _say_spread(found)
    for note in filter(None, notes):
        say(f"note: {note}")


def _echo(scores: Sequence[dict[str, Any]], output_format: str) -> None:
    if output_format == "json":
        echo_rows(scores, output_format)
    elif output_format == "csv":
        echo_rows([_flat(score) for score in scores], output_format, (*_COLUMNS, *_FOR_MACHINES))
    else:
        from pipeline.marks import LEGEND, marked

        shown = [_flat(score) | {"dataset": marked(score["dataset"], score["encoder_saw"])} for score in scores]
        echo_rows(shown, output_format, _COLUMNS)
        if any(score["encoder_saw"] for score in scores):
            say(LEGEND)


def _flat(score: dict[str, Any]) -> dict[str, Any]:
    low, high = score["ci95"]["accuracy"]
    return {name: score[name] for name in (*_COLUMNS, *_FOR_MACHINES)} | {"ci95": f"{low:.4f}-{high:.4f}"}


def _say_spread(scores: Sequence[dict[str, Any]]) -> None:
    """Mean and deviation over the runs that differ in their seed only, on stderr."""
    from stages.sweep import spread_text

    same: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for score in scores:
        same.setdefault((str(Path(score["run"]).parent), score["dataset"]), []).append(score)
    for (folder, dataset), chosen in same.items():
        if len(chosen) > 1:
            say(f"{folder} on {dataset}: {spread_text(chosen, '')}")
