"""fer-stage compare: which methods differ, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import format_option, request_of
from stages.output import echo_record, echo_rows, say

if TYPE_CHECKING:
    from stages.results import CompareResult

__all__ = ["command"]

_COLUMNS = (
    *("first", "second", "trained_on", "dataset", "n", "seeds", "first_score", "second_score", "difference"),
    *("interval", "p", "p_holm", "smallest"),
)
_MOST_SENTENCES = 6


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--dataset", "datasets", multiple=True, help="Test dataset; may be repeated.  [default: all that were scored on]"
)
@click.option(
    "--metric", type=click.Choice(["uar", "accuracy"]), default="uar", show_default=True, help="Of the differences."
)
@click.option(
    "--by",
    type=click.Choice(["method", "train"]),
    default="method",
    show_default=True,
    help="What is compared: methods, on each pair of train and test dataset; train: also what they were trained on.",
)
@format_option
def command(output_format: str, **options: Any) -> None:
    """Compare methods on the units that both were scored on.

    RUN is a folder of an evaluated run, or of many. Runs that differ in seed and fold alone are one method. Prints the
    difference of each pair on each test dataset with its 95 % interval and p, with units and seeds as sources of
    variance; p_holm is corrected for all that is printed. Then the ranks over the test datasets.
    """
    from stages.requests import CompareRequest
    from stages.running import run
    from stages.workflows.compare import compare

    result = run(compare, request_of(CompareRequest, options))
    _echo(result, output_format)
    for note in result.notes:
        say(f"note: {note}")


def _echo(result: CompareResult, output_format: str) -> None:
    if output_format == "json":
        echo_record(result.summary(), output_format)
        return
    rows = [pair.as_row() for pair in result.pairs]
    if output_format == "csv":
        echo_rows(rows, output_format)
        return
    echo_rows([row | {"interval": f"{row['low']:+.4f} to {row['high']:+.4f}"} for row in rows], output_format, _COLUMNS)
    if len(rows) <= _MOST_SENTENCES:
        for pair in result.pairs:
            where = f"{pair.trained_on} -> {pair.dataset}" if pair.trained_on else pair.dataset
            say(f"{where}: {pair.conclusion}")
    else:
        n = sum(pair.is_significant for pair in result.pairs)
        say(f"{n} of {len(rows)} differences are significant after Holm's correction (p_holm <= 0.05)")
    for sentence in result.sentences():
        say(sentence)
