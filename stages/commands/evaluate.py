"""fer-stage evaluate: trained heads against datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.footnotes import (
    AUDIT_LEGENDS,
    LEGEND,
    NEAR,
    OVERLAP,
    audit_footnotes,
    footnoted,
    near_footnote,
    near_legend,
    overlap_footnote,
    overlap_legend,
    units_of,
)
from stages.commands.options import (
    device_option,
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    method_code_option,
    params_option,
    request_of,
)
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from pipeline.records import Export, Run
    from stages.results import EvaluateResult, RunScores
    from stages.results.fold_rows import FoldSet

__all__ = ["command"]

# A table has symbols, legends and notes instead.
_MACHINE_COLUMNS = (
    *("excluded_overlap", "near_overlap", "excluded_kinds", "unit", "rejected_frames", "audit", "encoder_saw", "note"),
)


@click.command("evaluate")
@click.option(
    "--run",
    "runs",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Folder of a trained run, or of several; may be repeated.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    help="May be repeated.  [default: run.test of params.yaml, else run.datasets]",
)
@click.option(
    "--split",
    type=click.Choice(["test", "val"]),
    help="Another split than the protocol's is printed only.  [default: protocol.test_split of params.yaml]",
)
@click.option("--by", type=click.Choice(["scene"]), help="Print the score of each scene, of datasets that have scenes.")
@click.option(
    "--exclude-overlap",
    is_flag=True,
    help="Leave rows out that the head was trained or selected on, by their bytes and by audits; counted.",
)
@click.option("--prune", is_flag=True, help="Remove scores on other datasets, and of runs that are not there any more.")
@click.option("--dry-run", is_flag=True, help="Score and print; write nothing.")
@features_option
@folder_option("audits", "Folder of what `fer-stage audit` found.")
@folder_option("tables", "Folder of sample tables: an audit of other tables is not used.")
@method_code_option
@device_option
@params_option
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Score trained heads on the test split of datasets, and write the scores below runs/scores.

    Computes accuracy (WAR), UAR, recall per class, N, 95 % intervals, calibration error and confusion counts; rejected
    rows are counted, and so are rows whose bytes the head was trained or selected on, and rows whose picture an audit
    found there in other bytes. Of clips, all counts are of clips. Scores of this head on these rows that are there
    already are not computed again. Scores of other datasets stay as they are; those of a head that was trained again
    since are removed. Scores of an exported head, or of one outside its runs folder, are printed only.

    A head of a fold is scored on that fold of its own dataset. Where runs differ in their fold only, their mean and the
    score of the counts of all folds together (pooled) follow.
    """
    from stages.requests import EvaluateRequest
    from stages.running import run
    from stages.workflows.evaluate import evaluate

    result = run(evaluate, request_of(EvaluateRequest, options))
    if result.by:
        _echo_scenes(result, output_format)
    else:
        _echo(result, output_format)
    if len(result.runs) > 1:
        _say_spread([scored for scored in result.runs if not scored.record.fold])
        _say_folds(result.folds)
    for note in result.notes:
        say(f"note: {note}")
    n_new = sum(scored.n_new for scored in result.runs)
    if n_new < len(result.scores):
        say(f"scored {n_new}, up to date {len(result.scores) - n_new}")


def _echo(result: EvaluateResult, output_format: str) -> None:
    scores, of_folds = result.scores, [row for folds in result.folds for row in folds.rows]
    columns = _columns(folds=any(run.record.fold for run in result.runs))
    if output_format == "json":
        echo_rows([*scores, *of_folds], output_format)
    elif output_format == "csv":
        rows = [*map(_flat, scores), *map(_flat_folds, of_folds)]
        echo_rows(rows, output_format, (*columns, *_deviations(columns), *_MACHINE_COLUMNS))
    else:
        symbols = [audit_footnotes(audit) for run in result.runs for audit in run.audit]
        rows = [
            _flat(score)
            | _of_table(score)
            | {"dataset": f"{footnoted(score['dataset'], score['encoder_saw'])} {audit}".strip()}
            for score, audit in zip(scores, symbols, strict=True)
        ]
        _echo_table([*rows, *(_flat_folds(row) | _folds_of_table(row) for row in of_folds)], columns, result)
        if any(score["encoder_saw"] for score in scores):
            say(LEGEND)
        units = units_of(entry.unit for run in result.runs for entry in run.entries)
        if any(OVERLAP in _overlap_text(score) for score in scores):
            say(overlap_legend(units))
        if any(NEAR in _overlap_text(score) for score in scores):
            say(near_legend(units))
        for symbol, legend in AUDIT_LEGENDS.items():
            if any(symbol in audit for audit in symbols):
                say(legend)


def _echo_table(rows: Sequence[dict[str, Any]], columns: Sequence[str], result: EvaluateResult) -> None:
    """Where all that was scored are clips, the accuracy has the name that it has in papers on clips, too."""
    clips = all(entry.unit == "clip" for run in result.runs for entry in run.entries)
    names = {name: "WAR (accuracy)" if clips and name == "accuracy" else name for name in columns}
    named = [{names[name]: row[name] for name in columns} for row in rows]
    echo_rows(named, "table", list(names.values()))


def _echo_scenes(result: EvaluateResult, output_format: str) -> None:
    """A row for each score and scene; its counts in JSON only."""
    from pipeline.learning.metrics import METRICS

    rows = result.scenes
    if output_format == "json":
        echo_rows(rows, output_format)
        return
    fold = ("fold",) if any("fold" in row for row in rows) else ()
    columns = ("run", "dataset", "split", *fold, "scene", "n", *METRICS, "ci95")
    flat = [
        {**dict.fromkeys(columns), **row, "ci95": "{:.4f}-{:.4f}".format(*row["ci95"]["accuracy"])}
        | ({"fold": f"{row['fold']['number']} of {row['fold']['n']}"} if "fold" in row else {})
        for row in rows
    ]
    if output_format == "table":
        _echo_table(flat, columns, result)
    else:
        echo_rows(flat, output_format, (*columns, "note"))


def _columns(*, folds: bool = False) -> tuple[str, ...]:
    from pipeline.learning.metrics import METRICS

    of_folds = ("fold",) if folds else ()
    return ("run", "dataset", "split", *of_folds, "seen", "n", *METRICS, "ci95", "rejected", "dropped", "overlap")


def _deviations(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns of means over folds, where there are any."""
    from pipeline.learning.metrics import METRICS

    return tuple(f"{metric}_sd" for metric in METRICS) if "fold" in columns else ()


def _flat_folds(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of several folds: their mean, or the score of all counts together."""
    from pipeline.records import folds_text

    of = row["folds"]
    bounds = row.get("ci95", {}).get("accuracy")
    texts = {"fold": f"{of['kind']} of {folds_text(tuple(of['numbers']), of['n'])}"}
    interval = f"{bounds[0]:.4f}-{bounds[1]:.4f}" if bounds else None
    return {**dict.fromkeys(_columns()), **row, **texts, "ci95": interval}


def _flat(score: dict[str, Any]) -> dict[str, Any]:
    low, high = score["ci95"]["accuracy"]
    flat = {name: score.get(name) for name in (*_columns(), *_MACHINE_COLUMNS)}
    fold = score.get("fold")
    flat["fold"] = f"{fold['number']} of {fold['n']}" if fold else None
    near = sum(score["near_overlap"].values()) if "near_overlap" in score else None
    texts = {"overlap": _overlap_text(score), "excluded_kinds": " ".join(score.get("excluded_kinds", ()))}
    texts["audit"] = "; ".join(score["audit"])
    clips = {"unit": score.get("unit", "image"), "rejected_frames": score.get("rejected_frames", 0)}
    return flat | {"ci95": f"{low:.4f}-{high:.4f}", "near_overlap": near, **texts, **clips}


def _of_table(score: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of clips, by their name: `120 clips`, `2 clips, 5 frames`."""
    if "unit" not in score:
        return {}
    frames = f", {score['rejected_frames']} frames" if score.get("rejected_frames") else ""
    return {"n": f"{score['n']} clips", "rejected": f"{score['rejected']} clips{frames}"}


def _folds_of_table(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row of several folds shows as those of single folds do."""
    n = f"{row['n']} clips" if row["unit"] == "clip" else row["n"]
    return {"dataset": footnoted(row["dataset"], row["encoder_saw"]), "n": n}


def _overlap_text(score: Mapping[str, Any]) -> str:
    """Scored rows that the head was trained or selected on: `31 train ≡ 12 %, 9 phash ≈ 3 %`, `0` or `not checked`."""
    left_out = f", {score['excluded_overlap']} left out" if score["excluded_overlap"] else ""
    if score["overlap"] is None:
        return f"not checked{left_out}"
    counts = {split: n for split, n in score["overlap"].items() if n}
    parts = [f"{n} {split} {overlap_footnote(n / score['n'])}" for split, n in counts.items()]
    near = {kind: n for kind, n in score.get("near_overlap", {}).items() if n}
    parts += [f"{n} {kind} {near_footnote(n / score['n'])}" for kind, n in near.items()]
    return (", ".join(parts) or "0") + left_out


def _say_spread(runs: Sequence[RunScores]) -> None:
    """Mean and deviation over runs that differ in the seed only, on stderr, with the settings that differ otherwise."""
    from stages.workflows.sweep import differing_settings, spread_text

    groups: dict[tuple[str, str, str], list[tuple[dict[str, float], Run | Export]]] = {}
    for run in runs:
        if run.record.is_random:  # else every seed gives the same head
            for entry in run.entries:
                name = (str(run.folder.parent), entry.dataset, entry.split)
                groups.setdefault(name, []).append((entry.by_metric(), run.record))
    for (folder, dataset, _split), scored in groups.items():
        scores, records = zip(*scored, strict=True)
        for settings, same in differing_settings(scores, records):
            named = f"{folder} on {dataset}" + (f" ({settings})" if settings else "")
            if len(same) > 1:
                say(f"{named}: {spread_text(same, '')}")
            elif settings:
                say(f"{named}: one seed; runs of other settings are not part of one mean")


def _say_folds(sets: Sequence[FoldSet]) -> None:
    """Deviation over the folds of each seed; then mean and deviation over seeds of the mean over folds of each."""
    from stages.workflows.sweep import spread_text

    by_seed: dict[tuple[str, str, str, str], list[dict[str, float]]] = {}
    for folds in sets:
        first = folds.scores.scores[0]
        by_fold = [score.by_metric() for score in folds.scores.scores]
        say(f"{folds.run} on {first.dataset}: {spread_text(by_fold, '', 'folds')}")
        means = {metric: folds.scores.mean(metric) for metric in by_fold[0]}
        name = (str(Path(folds.run).parent), first.dataset, first.split, folds.scores.text)
        by_seed.setdefault(name, []).append(means)
    for (run, dataset, _split, text), of_seeds in by_seed.items():
        if len(of_seeds) > 1:
            say(f"{run} on {dataset}: mean of {text}, {spread_text(of_seeds, '')}")
