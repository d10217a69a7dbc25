"""What the page says first: the mean scores of every method, and how far it is from the image baseline."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.marks import marked
from pipeline.report.comparison import BASELINE, baseline_of, gain, is_complete
from pipeline.report.formatting import marked_text, points_text
from pipeline.report.groups import Group
from pipeline.report.kinds import Kind
from pipeline.report.markup import TableView
from pipeline.report.scores import METRIC_NAMES

__all__ = ["headlines", "summary_table"]

_AGAINST = {f"{name}, against {BASELINE}": metric for metric, name in METRIC_NAMES.items()}


def summary_table(groups: Sequence[Group]) -> TableView:
    """One row per method and encoder: mean scores in percent within the train dataset and on unseen ones.

    With an image baseline among the groups, also how many points above it the method is on unseen datasets.
    """
    compared = any(baseline_of(groups, group.encoder) for group in groups)
    columns = [f"{name}, {where}" for where in ("within", "unseen") for name in METRIC_NAMES.values()]
    return TableView(
        "Mean scores in percent, ± standard deviation over seeds"
        + ("; against baseline on unseen ones, in points" if compared else ""),
        ("Method", "Encoder", *columns, *(_AGAINST if compared else ()), "Trained on", "Seeds", "Unseen pairs"),
        tuple(_row(group, groups, compared=compared) for group in groups),
        n_headers=2,
        warned=frozenset(i for i, group in enumerate(groups) if group.note),
    )


def headlines(groups: Sequence[Group]) -> list[str]:
    """One sentence per encoder beside whose features an image baseline was trained.

    It is about methods that were scored on all of the baseline's unseen pairs: a few easy ones would flatter others.
    """
    encoders = dict.fromkeys(group.encoder for group in groups)
    found = [(encoder, baseline) for encoder in encoders if (baseline := baseline_of(groups, encoder))]
    return [text for encoder, baseline in found if (text := _headline(groups, encoder, baseline))]


def _headline(groups: Sequence[Group], encoder: str, baseline: Group) -> str:
    users = [group for group in groups if group.encoder == encoder and group.kind is not Kind.IMAGE]
    heads = [group for group in users if is_complete(group, baseline)]
    if not heads or not baseline.unseen():
        return ""
    scores = [marked_text(cells, "accuracy") for cells in (baseline.within(), baseline.unseen())]
    name = f"{encoder} (stand-in)" if heads[0].note else encoder
    user = marked(name, any(head.encoder_saw for head in heads))
    return (
        f"Mean accuracy of {BASELINE}, an image network on pixels alone: {scores[0]} % within its train dataset, "
        f"{scores[1]} % on unseen ones. On the same unseen ones, what uses {user} differs by "
        f"{_span(heads, baseline, 'accuracy')} points, and by UAR {_span(heads, baseline, 'uar')}."
    )


def _span(heads: Sequence[Group], baseline: Group, metric: str) -> str:
    """The smallest and the largest gain, with their methods: what is good by one metric may be poor by the other."""
    found = [(gain(head, baseline, metric), head.method) for head in heads]
    gains = sorted((value, method) for value, method in found if value is not None)
    ends = dict.fromkeys((gains[0], gains[-1]))
    return " to ".join(f"{points_text(value)} ({method})" for value, method in ends)


def _row(group: Group, groups: Sequence[Group], *, compared: bool) -> tuple[str, ...]:
    within, unseen = group.within(), group.unseen()
    source = f"{group.source} (stand-in)" if group.note else group.source
    seeds = sorted({run.seed for run in group.runs})
    scores = [marked_text(cells, metric) for cells in (within, unseen) for metric in METRIC_NAMES]
    gains = [_gain_text(group, groups, metric) for metric in _AGAINST.values()] if compared else []
    return (group.method, source, *scores, *gains, _datasets(group.trains), str(len(seeds)), str(len(unseen)))


def _gain_text(group: Group, groups: Sequence[Group], metric: str) -> str:
    baseline = baseline_of(groups, group.encoder)
    is_other = baseline is not None and baseline is not group
    return points_text(gain(group, baseline, metric) if baseline and is_other else None)


def _datasets(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} datasets"
