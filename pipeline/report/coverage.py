"""Notes of a report: what its means do not cover, and where features differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.records import StoreSummary
from pipeline.report.comparison import ComparisonSet, comparison_sets
from pipeline.report.groups import Group
from pipeline.report.runs import Kind, shortened_list

__all__ = ["coverage_notes", "feature_notes"]


def coverage_notes(groups: Sequence[Group]) -> list[str]:
    """Which methods were not scored on all pairs of train and test dataset, and how this limits the means."""
    scored = [group for group in groups if group.cells]
    tests = {cell.first.dataset for group in scored for cell in group.cells.values()}
    notes = [text for group in scored if (text := _incomplete(group, len(tests)))]
    sets = comparison_sets(scored)
    if len(sets) > 1:
        notes.append(
            f"The methods fall into {len(sets)} sets that have no pair of train and unseen test dataset in common: "
            "their means are in separate tables and cannot be compared."
        )
    return [*notes, *(text for each in sets for text in _narrowed(each))]


def feature_notes(groups: Sequence[Group], stores: Sequence[StoreSummary], evaluate_command: str = "") -> list[str]:
    """Where scores are of other features than the stores have now, or of another precision than those trained on.

    Parameters
    ----------
    evaluate_command : that scores all runs again
    """
    return [*_other_stores(groups, stores, evaluate_command), *_other_precision(groups)]


def _other_stores(groups: Sequence[Group], stores: Sequence[StoreSummary], evaluate_command: str) -> Iterator[str]:
    runs = [run for group in groups for run in group.runs]
    for store in sorted(stores, key=lambda store: (store.encoder, store.dataset)):
        same_encoder = [run for run in runs if run.encoder == store.encoder]
        used = [score.store_key for run in same_encoder for score in run.scores_on(store.dataset)]
        if n := sum(key != store.key for key in used):
            yield (
                f"{n} of {len(used)} scores on {store.dataset} are of other features than the store of {store.encoder} "
                "has now. Score the heads again"
                f"{evaluate_command and f': {evaluate_command}'}"
            )


def _other_precision(groups: Sequence[Group]) -> list[str]:
    differing = {
        f"{run.name} on {group.source}, trained on {run.trained_on} ({run.record.dtype}), was scored on {score.dtype} "
        f"features of {score.test}."
        for group in groups
        for run in group.runs
        for score in run.scores
        if group.kind is Kind.HEAD and score.dtype != run.record.dtype
    }
    return sorted(differing)


def _incomplete(group: Group, n_tests: int) -> str:
    expected = len(group.trains) * n_tests
    pairs = len({(cell.train, cell.first.dataset) for cell in group.cells.values()})
    if pairs >= expected:
        return ""
    return f"{group.method} on {group.source} was scored on {pairs} of {expected} pairs of train and test dataset."


def _narrowed(comparison: ComparisonSet) -> Iterator[str]:
    kinds = (
        ("on unseen datasets", len(comparison.unseen_pairs), comparison.n_unseen),
        ("within the train dataset", len(comparison.within_pairs), comparison.n_within),
    )
    for where, n, count in kinds:
        own = {f"{group.method} on {group.source}": n_own for group in comparison.groups if (n_own := count(group))}
        if len(own) < 2 or max(own.values()) == n:
            continue
        if not n:
            yield f"No mean {where} is shown: the compared methods have no such pair in common."
            continue
        fewest = [name for name, n_own in own.items() if n_own == min(own.values())]
        most = (
            f"Fewest: {shortened_list(fewest)}, with {min(own.values())}"
            if len(set(own.values())) > 1
            else "All have the same number of pairs, but different ones"
        )
        yield (
            f"Means {where} are over the {n} {'pair' if n == 1 else 'pairs'} that all compared methods were "
            f"scored on, of up to {max(own.values())}. {most}."
        )
