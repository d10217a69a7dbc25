"""The tables of scores on the page: means and headlines first, then the numbers of every figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.footnotes import footnoted
from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell
from pipeline.report.comparison import BASELINE, ComparisonSet, baseline_of, comparison_sets, gain
from pipeline.report.folds import ScoreOfFolds, pooled_score
from pipeline.report.formatting import (
    MISSING,
    NO_COMMON_PAIR,
    ece_text,
    footnoted_text,
    interval_text,
    mean_scope,
    number_text,
    percent,
    points_text,
    spread_text,
    with_footnotes,
)
from pipeline.report.groups import Group
from pipeline.report.histories import selected_value, steps_name
from pipeline.report.intervals import estimate, standings
from pipeline.report.runs import Kind, ReportRun, ReportScore
from pipeline.report.views import CountsView, TableView

__all__ = [
    "confusion_counts",
    "headlines",
    "mean_text",
    "recall_table",
    "scores_table",
    "summary_tables",
    "training_table",
]

_AGAINST = {f"{metric.title}, against {BASELINE}": name for name, metric in METRICS.items()}


def summary_tables(groups: Sequence[Group]) -> list[TableView]:
    """One row per method and encoder: mean scores in percent within the train dataset and on unseen ones.

    Means are over the pairs of train and test dataset that all methods of a table were scored on; what cannot be
    compared is in another table. With an image baseline in the same table, also how many points above it the method is
    on unseen datasets.
    """
    return [_summary_table(comparison, i) for i, comparison in enumerate(comparison_sets(groups))]


def headlines(groups: Sequence[Group]) -> list[str]:
    """One sentence per encoder with an image baseline on the pixels of its stores.

    It is about methods that were scored on all unseen pairs of the baseline: means over a few easy ones would be too
    high.
    """
    encoders = dict.fromkeys(group.encoder for group in groups)
    compared = [(encoder, baseline) for encoder in encoders if (baseline := baseline_of(groups, encoder))]
    return [text for encoder, baseline in compared if (text := _headline(groups, encoder, baseline))]


def mean_text(cells: Sequence[Cell], n_own: int, metric: str) -> str:
    """A mean with its footnote symbols, and how many of the method's own pairs it is over where that is not all."""
    if not cells:
        return NO_COMMON_PAIR if n_own else MISSING
    return f"{footnoted_text(cells, metric)} {mean_scope(len(cells), n_own)}".strip()


def _summary_table(comparison: ComparisonSet, i: int) -> TableView:
    compared = any(baseline_of(comparison.groups, group.encoder) for group in comparison.groups)
    columns = [f"{metric.title}, {where}" for where in ("within", "unseen") for metric in METRICS.values()]
    best = _best(comparison)
    return TableView(
        "Mean scores in percent, ± standard deviation over seeds"
        + ("; against baseline on unseen ones, in points" if compared else "")
        + (f". Set {i + 1}: no pair of train and unseen test dataset in common with the methods above" if i else ""),
        ("Method", "Encoder", *columns, *(_AGAINST if compared else ()), "Trained on", "Seeds", "Unseen pairs"),
        tuple(_summary_row(group, comparison, compared=compared) for group in comparison.groups),
        n_headers=2,
        best=best,
    )


def _best(comparison: ComparisonSet) -> frozenset[tuple[int, int]]:
    """The cells of the means that are best, or that their intervals do not tell from the best."""
    columns = [
        standings([estimate(cells_of(group), metric) for group in comparison.groups], metric)
        for cells_of in (comparison.within, comparison.unseen)
        for metric in METRICS
    ]
    return frozenset((i, j) for j, column in enumerate(columns, start=2) for i, rank in enumerate(column) if rank)


def _headline(groups: Sequence[Group], encoder: str, baseline: Group) -> str:
    users = [group for group in groups if group.encoder == encoder and group.kind is not Kind.IMAGE]
    pairs = ComparisonSet((baseline,)).unseen_pairs
    heads = [group for group in users if group.unseen() and ComparisonSet((baseline, group)).unseen_pairs == pairs]
    if not heads or not pairs:
        return ""
    comparison = ComparisonSet((baseline, *heads))
    means_of = {"within its train dataset": comparison.within(baseline), "on unseen ones": comparison.unseen(baseline)}
    main, *others = METRICS
    means = [
        f"{with_footnotes(f'{spread_text(cells, main)} %', cells)} {where}"
        for where, cells in means_of.items()
        if cells
    ]
    name = f"{encoder} (stand-in)" if heads[0].note else encoder
    user = footnoted(name, any(head.encoder_saw for head in heads))
    n = f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''}"
    spans = "".join(f", and by {METRICS[name].label} {_span(heads, baseline, name, comparison)}" for name in others)
    return (
        f"Mean {METRICS[main].label} of {BASELINE}, an image network on pixels alone: {', '.join(means)} ({n}). On the "
        f"same unseen ones, what uses {user} differs by {_span(heads, baseline, main, comparison)} points{spans}."
    )


def _span(heads: Sequence[Group], baseline: Group, metric: str, comparison: ComparisonSet) -> str:
    """The smallest and the largest gain, with their methods: the order of methods depends on the metric."""
    values = [(gain(head, baseline, metric, comparison), head.method) for head in heads]
    gains = sorted((value, method) for value, method in values if value is not None)
    extremes = dict.fromkeys((gains[0], gains[-1]))
    return " to ".join(f"{points_text(value)} ({method})" for value, method in extremes)


def _summary_row(group: Group, comparison: ComparisonSet, *, compared: bool) -> tuple[str, ...]:
    source = f"{group.source} (stand-in)" if group.note else group.source
    chosen = (
        (comparison.within(group), comparison.n_within(group)),
        (comparison.unseen(group), comparison.n_unseen(group)),
    )
    scores = [mean_text(cells, n, metric) for cells, n in chosen for metric in METRICS]
    gains = [_gain_text(group, comparison, metric) for metric in _AGAINST.values()] if compared else []
    pairs = str(len(comparison.unseen(group)))
    return (group.method, source, *scores, *gains, _datasets(group.trains), _seeds_text(group, comparison), pairs)


def _seeds_text(group: Group, comparison: ComparisonSet) -> str:
    """How many seeds the means are over, of how many: `1 of 3` where seeds 1 and 2 lack a pair."""
    n = len(group.seeds)
    counts = sorted(set(comparison.n_seeds(group)) - {n})
    return f"{' or '.join(map(str, counts))} of {n}" if counts else str(n)


def _gain_text(group: Group, comparison: ComparisonSet, metric: str) -> str:
    baseline = baseline_of(comparison.groups, group.encoder)
    is_other = baseline is not None and baseline is not group
    return points_text(gain(group, baseline, metric, comparison) if baseline and is_other else None)


def _datasets(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} datasets"


def scores_table(group: Group) -> TableView:
    """Every single score with its interval, one row per train dataset, test dataset and seed.

    Of folds that is their mean, with the interval of their counts together, which are the next row, above each fold.
    """
    measured = [
        name for metric in METRICS.values() for name in (metric.title, *(["95 % interval"] if metric.interval else []))
    ]
    columns = ("n", *measured, "ECE", "Uncalibrated", "Rejected", "Dropped")
    return TableView(
        "Every score, in percent",
        ("Trained on", "Tested on", "Split", "Seed", *columns),
        tuple(row for cell in group.cells.values() for seed in sorted(cell.by_seed) for row in _score_rows(cell, seed)),
        n_headers=4,
    )


def recall_table(group: Group) -> TableView:
    """Recall of every expression, mean over seeds, one row per train and test dataset."""
    return TableView(
        "Recall of each expression in percent, mean over seeds",
        ("Trained on", "Tested on", *group.classes),
        tuple(_recall_row(cell, group.classes) for cell in group.cells.values()),
        n_headers=2,
    )


def confusion_counts(group: Group) -> CountsView:
    """The confusion counts of every train and test dataset, summed over seeds.

    Columns are all classes of the group; a class that the head of a pair does not have has no count there.
    """
    units = " and ".join(sorted({f"{cell.first.unit}s" for cell in group.cells.values()}))
    return CountsView(
        f"Confusion counts of {group.method} on {group.source}: {units}, rows true, columns predicted",
        group.classes,
        tuple(_pair_counts(cell, group.classes) for cell in group.cells.values()),
    )


def training_table(group: Group) -> TableView:
    """Results of training, one row per run."""
    scores = [f"Validation {METRICS[name].label}" for name in group.runs[0].record.val.by_metric()]
    columns = ("Epochs", "Selected", *scores, "Train n", "Validation n", "Seconds")
    return TableView(
        "What each training run selected; scores in percent",
        ("Trained on", "Seed", *columns),
        tuple(_training_row(run) for run in group.runs),
        n_headers=2,
    )


def _score_rows(cell: Cell, seed: int) -> Iterator[tuple[str, ...]]:
    score = cell.by_seed[seed]
    if not isinstance(score, ScoreOfFolds):
        yield _score_row(cell, score, score.split, seed)
        return
    yield _score_row(cell, score, f"{score.split}, mean of folds", seed)
    if score.together.has_own_rows:
        pooled = pooled_score(score)
        yield _score_row(cell, pooled, f"{score.split}, pooled", seed)
    for number, each in score.by_fold.items():
        yield _score_row(cell, each, f"{score.split}, fold {number}", seed)


def _score_row(cell: Cell, score: ReportScore, split: str, seed: int) -> tuple[str, ...]:
    measured = [text for metric in METRICS for text in _measured_texts(score, metric)]
    calibration = (ece_text(score.ece, score.ece_expected), percent(score.ece_uncalibrated))
    left_out = (f"{score.rejected:,}", f"{sum(score.dropped.values()):,}")
    tested_on = with_footnotes(cell.test, [cell])
    return (cell.train, tested_on, split, str(seed), f"{score.n:,}", *measured, *calibration, *left_out)


def _measured_texts(score: ReportScore, metric: str) -> list[str]:
    """A score, and its interval where the metric has one."""
    bounds = score.bounds(metric)
    return [percent(score.value(metric), score.n), *([interval_text(bounds, score.n)] if bounds else [])]


def _recall_row(cell: Cell, classes: Sequence[str]) -> tuple[str, ...]:
    recalls = [percent(cell.recall(name), cell.first.support.get(name, 0)) for name in classes]
    return (cell.train, with_footnotes(cell.test, [cell]), *recalls)


def _pair_counts(cell: Cell, classes: Sequence[str]) -> tuple[str, tuple[tuple[str, ...], ...]]:
    counts = {
        (true, predicted): f"{count:,}"
        for true, row in zip(cell.classes, cell.confusion(), strict=True)
        for predicted, count in zip(cell.classes, row, strict=True)
    }
    rows = ((true, *(counts.get((true, name), MISSING) for name in classes)) for true in cell.classes)
    return with_footnotes(f"{cell.train} → {cell.test}", [cell]), tuple(rows)


def _training_row(run: ReportRun) -> tuple[str, ...]:
    record = run.record
    step = selected_value(run) if run.history else None
    is_search = bool(run.history) and steps_name(run) != "epoch"
    selected = (
        f"{steps_name(run)} {number_text(step)}" if is_search and step is not None else str(record.selected_epoch)
    )
    return (
        run.trained_as,
        str(run.seed),
        str(record.epochs),
        selected,
        *(percent(value, record.n_val) for value in record.val.by_metric().values()),
        f"{record.n_train:,}",
        f"{record.n_val:,}",
        number_text(record.seconds),
    )
