"""What the means of a report do not cover, and where features differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.report.apart import listed
from pipeline.report.comparable import Comparable, comparables
from pipeline.report.groups import Group
from pipeline.report.kinds import Kind
from pipeline.report.records import StoreRecord

__all__ = ["coverage_notes", "feature_notes"]


def coverage_notes(groups: Sequence[Group]) -> list[str]:
    """Which methods were not scored on all pairs of train and test dataset, and what that does to the means."""
    scored = [group for group in groups if group.cells]
    tests = {cell.first.dataset for group in scored for cell in group.cells.values()}
    found = [text for group in scored if (text := _incomplete(group, len(tests)))]
    sets = comparables(scored)
    if len(sets) > 1:
        found.append(
            f"The methods fall into {len(sets)} sets that have no pair of train and unseen test dataset in common: "
            "their means are in separate tables and cannot be compared."
        )
    return [*found, *(text for one in sets for text in _narrowed(one))]


def feature_notes(groups: Sequence[Group], stores: Sequence[StoreRecord]) -> list[str]:
    """Where scores are of other features than the stores have now, or of another precision than those trained on."""
    return [*_other_stores(groups, stores), *_other_precision(groups)]


def _other_stores(groups: Sequence[Group], stores: Sequence[StoreRecord]) -> Iterator[str]:
    runs = [run for group in groups for run in group.runs]
    for store in sorted(stores, key=lambda store: (store.encoder, store.dataset)):
        same_encoder = [run for run in runs if run.encoder == store.encoder]
        used = [score.store_key for run in same_encoder for score in run.scores_on(store.dataset)]
        if n := sum(key != store.key for key in used):
            yield (
                f"{n} of {len(used)} scores on {store.dataset} are of other features than the store of {store.encoder} "
                "has now. Score the heads again: fer-stage evaluate --run runs"
            )


def _other_precision(groups: Sequence[Group]) -> list[str]:
    found = {
        f"{run.name} on {group.source}, trained on {run.trained_on} ({run.dtype}), was scored on {score.dtype} "
        f"features of {score.test}."
        for group in groups
        for run in group.runs
        for score in run.scores
        if group.kind is Kind.HEAD and score.dtype != run.dtype
    }
    return sorted(found)


def _incomplete(group: Group, n_tests: int) -> str:
    expected = len(group.trains) * n_tests
    pairs = len({(cell.train, cell.first.dataset) for cell in group.cells.values()})
    if pairs >= expected:
        return ""
    return f"{group.method} on {group.source} was scored on {pairs} of {expected} pairs of train and test dataset."


def _narrowed(among: Comparable) -> Iterator[str]:
    kinds = (
        ("on unseen datasets", len(among.unseen_pairs), among.n_unseen),
        ("within the train dataset", len(among.within_pairs), among.n_within),
    )
    for where, n, count in kinds:
        own = {f"{group.method} on {group.source}": found for group in among.groups if (found := count(group))}
        if len(own) < 2 or max(own.values()) == n:
            continue
        if not n:
            yield f"No mean {where} is shown: the methods beside each other were scored on no such pair in common."
            continue
        fewest = [name for name, found in own.items() if found == min(own.values())]
        most = (
            f"Fewest has {listed(fewest)}, with {min(own.values())}"
            if len(set(own.values())) > 1
            else "All have equally many, but not the same"
        )
        yield (
            f"Means {where} are over the {n} {'pair' if n == 1 else 'pairs'} that all methods beside each other were "
            f"scored on, of up to {max(own.values())}. {most}."
        )
