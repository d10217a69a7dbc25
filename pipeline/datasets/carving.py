"""Splits that a dataset does not have, carved out of its train split; what belongs together is never divided."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.datasets.rows import DIVISIBLE
from pipeline.labels import EXPRESSIONS
from pipeline.samples import Sample, hash_draw, split_by_hash

__all__ = ["carve", "carving_notes", "groups_of"]

_Group = Sequence[Sample]


def carve(samples: Sequence[Sample], shares: Mapping[str, float], seed: int) -> list[Sample]:
    """The samples in their order, those of train and of no split divided.

    A group of one row falls where the hash of its subject or id says, so it keeps its split when the dataset grows.
    Groups of several rows are then put, the large ones first, where their classes are furthest below their shares; a
    split that got no row is given the smallest such group of the split with most rows. The order of the rows plays no
    part.

    Parameters
    ----------
    samples : with their sha256; every id is unique
    shares : split -> share in (0, 1], summing to 1; if empty, nothing changes
    seed : another seed gives another division
    """
    free = [sample for sample in samples if sample.split in DIVISIBLE] if shares else []
    placement = _Placement(shares)
    large = []
    for group in groups_of(free):
        if len(group) > 1:
            large.append(group)
        else:
            placement.put(group, split_by_hash(_name(group), shares, seed))
    large.sort(key=lambda group: (-len(group).bit_length(), hash_draw(_name(group), seed), min(s.id for s in group)))
    placement.put_evenly(large, Counter(sample.label for sample in free if not sample.reason))
    return [replace(sample, split=placement.homes.get(sample.id, sample.split)) for sample in samples]


def groups_of(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Samples that must never stand in two splits, together: linked by subject, clip, picture or equal bytes."""
    parents = list(range(len(samples)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, sample in enumerate(samples):
        for key in _keys(sample):
            parents[root(i)] = root(first.setdefault(key, i))
    groups: dict[int, list[Sample]] = defaultdict(list)
    for i, sample in enumerate(samples):
        groups[root(i)].append(sample)
    return list(groups.values())


def carving_notes(samples: Iterable[Sample], shares: Mapping[str, float]) -> Iterator[str]:
    """What was carved, which split is far from the share that was asked for, and clips that tie subjects together."""
    samples = list(samples)
    counts = Counter(sample.split for sample in samples if not sample.reason)
    total = sum(counts[split] for split in shares)
    for split, share in shares.items():
        if split == "train":
            continue
        yield (
            f"{split}: the dataset has none; a share of {share:g} of train is taken, by subject, clip, picture and "
            "equal bytes, else by a hash of the id"
        )
        if abs(counts[split] - share * total) > max(share * total, 2) / 2:
            yield (
                f"{split}: {counts[split]} of {total} rows instead of {share * total:.0f}, as there are too few rows "
                f"or too large groups; another split_seed or {split}_fraction may do better"
            )
    if len(shares) > 1:
        yield from _shared_clips(samples)


def _shared_clips(samples: Iterable[Sample]) -> Iterator[str]:
    people: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.clip and sample.subject:
            people[sample.clip].add(sample.subject)
    if shared := {clip: len(subjects) for clip, subjects in people.items() if len(subjects) > 1}:
        clip, n = max(shared.items(), key=lambda item: (item[1], item[0]))
        yield (
            f"{len(shared)} clips belong to several subjects ({clip!r} to {n}), which ties these together. If clips "
            "are numbered per subject, write the subject into the clip's name, such as S005/001"
        )


def _keys(sample: Sample) -> Iterator[tuple[str, str]]:
    values = {"subject": sample.subject, "clip": sample.clip, "path": sample.path, "sha256": sample.sha256}
    return ((kind, value) for kind, value in values.items() if value)


def _name(group: _Group) -> str:
    """What the group is hashed by: its subject, else its id; the first of them by name if it has several."""
    return min(sample.subject or sample.id for sample in group)


class _Placement:
    """Where groups were put: the split of every id, and usable rows per split and label."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = shares
        self.homes: dict[str, str] = {}
        self._counts: dict[str, Counter[str]] = {split: Counter() for split in shares}

    def put(self, group: _Group, split: str) -> None:
        self.homes.update((sample.id, split) for sample in group)
        self._counts[split].update(_labels(group))

    def put_evenly(self, groups: Sequence[_Group], totals: Counter[str]) -> None:
        """Put every group where it is needed most; `totals` are the usable rows of all groups per label."""
        for group in groups:
            costs = {split: self._cost(group, split, totals) for split in self.shares}
            self.put(group, min(costs, key=costs.__getitem__))
        for split in self.shares:
            if not self._counts[split]:
                self._fill(split, groups)

    def _cost(self, group: _Group, split: str, totals: Counter[str]) -> float:
        """By how much the sum over labels of (rows - target)^2 / target grows if `group` comes to `split`."""
        targets = {label: self.shares[split] * totals[label] for label in EXPRESSIONS}
        return sum(
            n * (2 * (self._counts[split][label] - targets[label]) + n) / targets[label]
            for label, n in sorted(Counter(_labels(group)).items())
        )

    def _fill(self, split: str, groups: Sequence[_Group]) -> None:
        sizes = {home: counts.total() for home, counts in self._counts.items()}
        donors = [g for g in groups if 0 < len(_labels(g)) < sizes[self.homes[g[0].id]]]  # never empty another split
        if donors:
            richest = max(sizes[self.homes[group[0].id]] for group in donors)
            group = [g for g in donors if sizes[self.homes[g[0].id]] == richest][-1]
            self._counts[self.homes[group[0].id]].subtract(_labels(group))
            self.put(group, split)


def _labels(group: _Group) -> list[str]:
    return [sample.label for sample in group if not sample.reason]
