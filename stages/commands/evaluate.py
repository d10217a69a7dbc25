"""fer-stage evaluate: trained heads against datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.marks import LEGEND, OVERLAP, OVERLAP_LEGEND, marked, overlap_mark
from stages.commands.options import (
    device_option,
    features_option,
    follow_links_option,
    format_option,
    params_path_option,
)
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import Place

__all__ = ["command"]

_COLUMNS = ("run", "dataset", "split", "seen", "n", "accuracy", "uar", "ci95", "rejected", "dropped", "overlap")
_FOR_MACHINES = ("excluded_overlap", "encoder_saw", "note")  # people get marks, legends, and notes below the table


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
@click.option(
    "--exclude-overlap", is_flag=True, help="Leave rows out whose bytes the head was trained or selected on; counted."
)
@click.option("--dry-run", is_flag=True, help="Score and print; write nothing.")
@features_option
@device_option
@params_path_option
@follow_links_option
@format_option
def command(
    folders: tuple[Path, ...],
    datasets: tuple[str, ...],
    split: str | None,
    exclude_overlap: bool,
    dry_run: bool,
    features: Place,
    device: str,
    params_path: Path,
    output_format: str,
) -> None:
    """Score trained heads on the test split of datasets, and keep the scores below runs/scores.

    Scores of datasets that are not named stay as they are; those of a head that was trained again since are dropped.
    Rows are compared by their bytes with those that the head was trained and selected on: overlap is counted.
    Of an exported head, or one outside its runs folder, scores are printed only.
    Accuracy, UAR, recall per class, N, 95 % intervals, calibration error, confusion; rejected rows are counted.
    """
    from cache.places.links import require_inside
    from pipeline.saved import read_saved
    from stages.params import load_params
    from stages.workflows.evaluate import Scorer, runs_below
    from stages.workflows.scores_file import write_scores
    from stages.workspace import runs_root, scores_path

    params = load_params(params_path)
    wanted = datasets or tuple(params.run.datasets)
    found: list[dict[str, Any]] = []
    notes: dict[str, None] = {}
    records: dict[str, Mapping[str, Any]] = {}
    runs, scorer = runs_below(folders), Scorer(features, params, device, exclude_overlap=exclude_overlap)
    keep = not dry_run and split in (None, params.protocol.test_split)
    for folder in runs:
        path = scores_path(folder) if keep else None
        if path:
            require_inside(path, runs_root(path))
        run = read_saved(folder)
        scores = scorer.score(run, wanted, split or params.protocol.test_split)
        notes[run.note] = None
        if path:
            _note_stale(write_scores(run, path, scores), path)
        else:
            run.require_current()
            if keep:
                say(f"{folder}: nothing is written: it is no run at RUNS/ENCODER/METHOD/DATASET/[VARIANT/]seed-N")
        found += [{"run": str(folder), **score, "note": run.note} for score in scores]
        records[str(folder)] = run.record
    _echo(found, output_format)
    if len(runs) > 1:
        _say_spread(found, records)
    for note in filter(None, (*notes, *scorer.notes)):
        say(f"note: {note}")


def _note_stale(n_dropped: int, path: Path) -> None:
    if n_dropped:
        say(f"{path}: {n_dropped} scores of a head that was replaced since were dropped")


def _echo(scores: Sequence[dict[str, Any]], output_format: str) -> None:
    if output_format == "json":
        echo_rows(scores, output_format)
    elif output_format == "csv":
        echo_rows([_flat(score) for score in scores], output_format, (*_COLUMNS, *_FOR_MACHINES))
    else:
        shown = [_flat(score) | {"dataset": marked(score["dataset"], score["encoder_saw"])} for score in scores]
        echo_rows(shown, output_format, _COLUMNS)
        if any(score["encoder_saw"] for score in scores):
            say(LEGEND)
        if any(OVERLAP in _overlap_text(score) for score in scores):
            say(OVERLAP_LEGEND)


def _flat(score: dict[str, Any]) -> dict[str, Any]:
    low, high = score["ci95"]["accuracy"]
    flat = {name: score[name] for name in (*_COLUMNS, *_FOR_MACHINES)}
    return flat | {"ci95": f"{low:.4f}-{high:.4f}", "overlap": _overlap_text(score)}


def _overlap_text(score: Mapping[str, Any]) -> str:
    """How many scored rows the head knows, `31 train ≡ 12 %`, `0` or `not checked`, and how many were left out."""
    left_out = f", {score['excluded_overlap']} left out" if score["excluded_overlap"] else ""
    if score["overlap"] is None:
        return f"not checked{left_out}"
    counts = {split: n for split, n in score["overlap"].items() if n}
    parts = [f"{n} {split} {overlap_mark(n / score['n'])}" for split, n in counts.items()]
    return (", ".join(parts) or "0") + left_out


def _say_spread(scores: Sequence[dict[str, Any]], records: Mapping[str, Mapping[str, Any]]) -> None:
    """Mean and deviation over runs that differ in their seed only, on stderr; what else differs is named."""
    from stages.workflows.sweep import differing_settings, spread_text

    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for score in scores:
        if records[score["run"]].get("is_random", True):  # else every seed gives the same head
            name = (str(Path(score["run"]).parent), score["dataset"], score["split"])
            groups.setdefault(name, []).append(score)
    for (folder, dataset, _split), chosen in groups.items():
        for settings, same in differing_settings(chosen, [records[score["run"]] for score in chosen]):
            named = f"{folder} on {dataset}" + (f" ({settings})" if settings else "")
            if len(same) > 1:
                say(f"{named}: {spread_text(same, '')}")
            elif settings:
                say(f"{named}: one seed; runs of other settings are not part of one mean")
