"""Splits that a dataset does not have, carved out of its train split; groups are never divided."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from pipeline.errors import ConfigError
from pipeline.tables.labels import LABELS
from pipeline.tables.sample import Sample

__all__ = ["DIVISIBLE", "carve", "carving_notes", "groups_of", "split_by_hash"]

DIVISIBLE = frozenset({"", "train"})  # samples of these splits may become val or test

_Group = Sequence[Sample]


def carve(samples: Sequence[Sample], shares: Mapping[str, float], seed: int) -> list[Sample]:
    """The samples in their order, those of train and of no split divided.

    The split of a group is set by a hash of its name: of its subject, else of its id, of the first by name if it has
    several. So a sample keeps its split when the dataset grows. Groups of several rows are moved where hashing fails:

    1. all of them, to where their classes are furthest below their shares, if a split has less than half or more than
       one and a half of its share of the rows;
    2. the smallest that helps, if a split has no row of a class of which it should have two or more, and the group has
       no more than twice as many;
    3. the smallest that helps, if a split has no row at all.

    Parameters
    ----------
    samples : with their sha256; every id is unique. Their order plays no part
    shares : split -> share in (0, 1], summing to 1; if empty, no sample changes
    seed : another seed gives another division
    """
    free = [sample for sample in samples if sample.split in DIVISIBLE] if shares else []
    placement = _Placement(shares, Counter(sample.label for sample in free if not sample.reason))
    large = []
    for group in groups_of(free):
        placement.put(group, split_by_hash(_name(group), shares, seed))
        if len(group) > 1 and _labels(group):
            large.append(group)
    large.sort(key=lambda group: (-len(group).bit_length(), _hash_draw(_name(group), seed), min(s.id for s in group)))
    placement.improve(large)
    return [
        sample
        if (split := placement.splits.get(sample.id, sample.split)) == sample.split
        else replace(sample, split=split)
        for sample in samples
    ]


def split_by_hash(group: str, fractions: Mapping[str, float], seed: int = 0) -> str:
    """The split that `group` (a subject, else the sample's id) falls into, by a hash of its name alone.

    Parameters
    ----------
    group : str
    fractions : split -> share in (0, 1], summing to 1
    seed : another seed gives another division
    """
    if abs(sum(fractions.values()) - 1) > 1e-9:
        raise ConfigError(f"split fractions must sum to 1, found {dict(fractions)}")
    draw, edge = _hash_draw(group, seed), 0.0
    for split, fraction in fractions.items():
        edge += fraction
        if draw < edge:
            return split
    return list(fractions)[-1]


def _hash_draw(name: str, seed: int = 0) -> float:
    """A number in [0, 1] that depends on `name` and `seed` alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64


def groups_of(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    """Samples that must never be in two splits, grouped: linked by subject, clip, picture or equal bytes."""
    linked = _linked(samples)
    yield from _connected([samples[i] for i in sorted(linked)])
    yield from ((sample,) for i, sample in enumerate(samples) if i not in linked)


def _connected(samples: Sequence[Sample]) -> Collection[Sequence[Sample]]:
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
    return groups.values()


def _linked(samples: Sequence[Sample]) -> set[int]:
    """Positions of the samples that share a key with another: of a million, these are few in most datasets."""
    linked: set[int] = set()
    for kind in ("subject", "clip", "path", "sha256"):
        first: dict[str, int] = {}
        for i, value in enumerate(map(attrgetter(kind), samples)):
            if value and (at := first.setdefault(value, i)) != i:
                linked.update((at, i))
    return linked


def carving_notes(samples: Sequence[Sample], shares: Mapping[str, float], noun: str = "rows") -> Iterator[str]:
    """What was carved, which split is far from the requested share, and clips that tie subjects together.

    Parameters
    ----------
    noun : what the samples are, in the plural
    """
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
                f"{split}: {counts[split]} of {total} {noun} instead of {share * total:.0f}, as there are too few "
                f"{noun} or too large groups; another split_seed or {split}_fraction may do better"
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
    """The split of every group: by id, and usable rows per split and label.

    Parameters
    ----------
    shares : split -> share
    totals : usable rows of all groups per label
    """

    def __init__(self, shares: Mapping[str, float], totals: Counter[str]) -> None:
        self.shares, self.totals = shares, totals
        self.splits: dict[str, str] = {}
        self._counts: dict[str, Counter[str]] = {split: Counter() for split in shares}

    def put(self, group: _Group, split: str) -> None:
        counts = self._counts[split]
        for sample in group:
            self.splits[sample.id] = split
            if not sample.reason:
                counts[sample.label] += 1

    def improve(self, groups: Sequence[_Group]) -> None:
        """Move some of `groups`, which are in order of size, the large ones first."""
        sizes = [(counts.total(), self._target(split)) for split, counts in self._counts.items()]
        if any(abs(n - target) > target / 2 for n, target in sizes):
            self._put_evenly(groups)
        for split, label in [(split, label) for split in self.shares for label in LABELS]:
            target = self.shares[split] * self.totals[label]
            if target >= 2 and not self._counts[split][label]:
                small = [g for g in groups if len(g) <= self._target(split) and _labels(g).count(label) <= 2 * target]
                self._move_smallest(split, small, label)
        for split, counts in self._counts.items():
            if not counts.total():
                self._move_smallest(split, groups)

    def _target(self, split: str) -> float:
        return self.shares[split] * self.totals.total()

    def _put_evenly(self, groups: Sequence[_Group]) -> None:
        for group in groups:
            self._remove(group)
        for group in groups:
            costs = {split: self._cost(group, split) for split in self.shares}
            self.put(group, min(costs, key=costs.__getitem__))

    def _remove(self, group: _Group) -> None:
        self._counts[self.splits[group[0].id]].subtract(_labels(group))

    def _cost(self, group: _Group, split: str) -> float:
        """By how much the sum over labels of (rows - target)^2 / target grows if `group` is put into `split`."""
        costs = []
        for label, n in sorted(Counter(_labels(group)).items()):
            target = self.shares[split] * self.totals[label]
            costs.append(n * (2 * (self._counts[split][label] - target) + n) / target)
        return sum(costs)

    def _move_smallest(self, split: str, groups: Sequence[_Group], label: str | None = None) -> None:
        """Move the smallest group with rows (of `label`) to `split` from where most of them are; leave some there."""

        def n_rows(group: _Group) -> int:
            labels = _labels(group)
            return len(labels) if label is None else labels.count(label)

        def n_in_its_split(group: _Group) -> int:
            counts = self._counts[self.splits[group[0].id]]
            return counts.total() if label is None else counts[label]

        donors = [group for group in groups if 0 < n_rows(group) < n_in_its_split(group)]
        if donors:
            group = max(reversed(donors), key=n_in_its_split)
            self._remove(group)
            self.put(group, split)


def _labels(group: _Group) -> list[str]:
    return [sample.label for sample in group if not sample.reason]
