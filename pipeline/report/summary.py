"""What the page says first: the mean scores of every method, and how far it is from the image baseline."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.marks import marked
from pipeline.report.comparable import Comparable, comparables
from pipeline.report.comparison import BASELINE, baseline_of, gain
from pipeline.report.formatting import (
    MISSING,
    NO_COMMON_PAIR,
    marked_text,
    mean_scope,
    points_text,
    spread_text,
    with_marks,
)
from pipeline.report.groups import Cell, Group
from pipeline.report.kinds import Kind
from pipeline.report.markup import TableView
from pipeline.report.scores import METRIC_NAMES, METRICS

__all__ = ["headlines", "mean_text", "summary_tables"]

_AGAINST = {f"{name}, against {BASELINE}": metric for metric, name in METRIC_NAMES.items()}


def summary_tables(groups: Sequence[Group]) -> list[TableView]:
    """One row per method and encoder: mean scores in percent within the train dataset and on unseen ones.

    Means are over the pairs of train and test dataset that all methods of a table were scored on; what cannot be
    compared is in another table. With an image baseline in the same table, also how many points above it the method is
    on unseen datasets.
    """
    return [_summary_table(among, i) for i, among in enumerate(comparables(groups))]


def headlines(groups: Sequence[Group]) -> list[str]:
    """One sentence per encoder beside whose features an image baseline was trained.

    It is about methods that were scored on all of the baseline's unseen pairs: a few easy ones would flatter others.
    """
    encoders = dict.fromkeys(group.encoder for group in groups)
    found = [(encoder, baseline) for encoder in encoders if (baseline := baseline_of(groups, encoder))]
    return [text for encoder, baseline in found if (text := _headline(groups, encoder, baseline))]


def mean_text(cells: Sequence[Cell], n_own: int, metric: str) -> str:
    """A mean with its marks, and beside it how many of the method's own pairs it is over where that is not all."""
    if not cells:
        return NO_COMMON_PAIR if n_own else MISSING
    return f"{marked_text(cells, metric)} {mean_scope(len(cells), n_own)}".strip()


def _summary_table(among: Comparable, i: int) -> TableView:
    compared = any(baseline_of(among.groups, group.encoder) for group in among.groups)
    columns = [f"{name}, {where}" for where in ("within", "unseen") for name in METRIC_NAMES.values()]
    return TableView(
        "Mean scores in percent, ± standard deviation over seeds"
        + ("; against baseline on unseen ones, in points" if compared else "")
        + (f". Set {i + 1}: no pair of train and unseen test dataset in common with the methods above" if i else ""),
        ("Method", "Encoder", *columns, *(_AGAINST if compared else ()), "Trained on", "Seeds", "Unseen pairs"),
        tuple(_row(group, among, compared=compared) for group in among.groups),
        n_headers=2,
        warned=frozenset(i for i, group in enumerate(among.groups) if group.note),
    )


def _headline(groups: Sequence[Group], encoder: str, baseline: Group) -> str:
    users = [group for group in groups if group.encoder == encoder and group.kind is not Kind.IMAGE]
    pairs = Comparable((baseline,)).unseen_pairs
    heads = [group for group in users if group.unseen() and Comparable((baseline, group)).unseen_pairs == pairs]
    if not heads or not pairs:
        return ""
    among = Comparable((baseline, *heads))
    places = {"within its train dataset": among.within(baseline), "on unseen ones": among.unseen(baseline)}
    means = [f"{_accuracy(cells)} {where}" for where, cells in places.items() if cells]
    name = f"{encoder} (stand-in)" if heads[0].note else encoder
    user = marked(name, any(head.encoder_saw for head in heads))
    n = f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''}"
    accuracies, uars = (_span(heads, baseline, metric, among) for metric in METRICS)
    return (
        f"Mean accuracy of {BASELINE}, an image network on pixels alone: {', '.join(means)} ({n}). On the same unseen "
        f"ones, what uses {user} differs by {accuracies} points, and by UAR {uars}."
    )


def _accuracy(cells: Sequence[Cell]) -> str:
    return with_marks(f"{spread_text(cells, 'accuracy')} %", cells)


def _span(heads: Sequence[Group], baseline: Group, metric: str, among: Comparable) -> str:
    """The smallest and the largest gain, with their methods: what is good by one metric may be poor by the other."""
    found = [(gain(head, baseline, metric, among), head.method) for head in heads]
    gains = sorted((value, method) for value, method in found if value is not None)
    ends = dict.fromkeys((gains[0], gains[-1]))
    return " to ".join(f"{points_text(value)} ({method})" for value, method in ends)


def _row(group: Group, among: Comparable, *, compared: bool) -> tuple[str, ...]:
    source = f"{group.source} (stand-in)" if group.note else group.source
    chosen = ((among.within(group), among.n_within(group)), (among.unseen(group), among.n_unseen(group)))
    scores = [mean_text(cells, n, metric) for cells, n in chosen for metric in METRIC_NAMES]
    gains = [_gain_text(group, among, metric) for metric in _AGAINST.values()] if compared else []
    pairs = str(len(among.unseen(group)))
    return (group.method, source, *scores, *gains, _datasets(group.trains), _seeds_text(group, among), pairs)


def _seeds_text(group: Group, among: Comparable) -> str:
    """How many seeds the means are over, of how many: `1 of 3` where seeds 1 and 2 miss a pair."""
    n = len(group.seeds)
    counts = sorted(set(among.n_seeds(group)) - {n})
    return f"{' or '.join(map(str, counts))} of {n}" if counts else str(n)


def _gain_text(group: Group, among: Comparable, metric: str) -> str:
    baseline = baseline_of(among.groups, group.encoder)
    is_other = baseline is not None and baseline is not group
    return points_text(gain(group, baseline, metric, among) if baseline and is_other else None)


def _datasets(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} datasets"
