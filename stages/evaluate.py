"""fer-stage evaluate: a trained head against datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.options import features_option, format_option, params_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import Place

__all__ = ["command"]

_TABLE_COLUMNS = ("dataset", "split", "seen", "n", "accuracy", "uar", "ci95", "rejected", "dropped")


@click.command("evaluate")
@click.option("--run", "folder", type=click.Path(path_type=Path), required=True, help="Folder of a trained run.")
@click.option("--dataset", "datasets", multiple=True, help="May be repeated.  [default: run.datasets of params.yaml]")
@click.option(
    "--split",
    type=click.Choice(["test", "val"]),
    help="Another split than the protocol's is printed only.  [default: protocol.test_split of params.yaml]",
)
@click.option("--dry-run", is_flag=True, help="Score and print; write nothing.")
@features_option
@params_option
@format_option
def command(
    folder: Path,
    datasets: tuple[str, ...],
    split: str | None,
    dry_run: bool,
    features: Place,
    params_path: Path,
    output_format: str,
) -> None:
    """Score a trained head on the test split of datasets, and write scores.json beside it.

    Scores of datasets that are not named stay as they are.
    Accuracy, UAR, recall per class, N, 95 % intervals, calibration error, confusion; rejected rows are counted.
    """
    from cache.atomic import write_bytes
    from stages.params import load_params
    from stages.scoring import merged_scores, score_run
    from stages.training import read_run

    params, record = load_params(params_path), read_run(folder)
    scores = score_run(
        folder,
        record,
        datasets or tuple(params.run.datasets),
        features,
        split or params.protocol.test_split,
        drop_other_labels=params.protocol.drop_other_labels,
    )
    if not dry_run and split in (None, params.protocol.test_split):
        path = folder / "scores.json"
        write_bytes(path, json.dumps(merged_scores(path, scores), indent=2).encode())
    if output_format == "json":
        echo_rows(scores, output_format)
    else:
        echo_rows([_flat(score) for score in scores], output_format, _TABLE_COLUMNS)
    if note := record["encoder_note"]:
        say(f"note: {note}")


def _flat(score: dict[str, Any]) -> dict[str, Any]:
    low, high = score["ci95"]["accuracy"]
    return {name: score[name] for name in _TABLE_COLUMNS} | {"ci95": f"{low:.4f}-{high:.4f}"}
