"""A sample table against the published counts of its dataset: equal, or what differs from the nearest release."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.reading.base import Layout
from pipeline.tables.samples import OK, SampleTable, TableInfo

__all__ = [
    "CountDifference",
    "PublishedComparison",
    "compare_with_published",
    "facts_of",
    "known_facts",
    "listed_counts",
]

_Counts = Mapping[str, Mapping[str, int]]  # split of the source -> label -> rows
_SHOWN = 8


@dataclass(frozen=True)
class CountDifference:
    """One number that differs.

    Parameters
    ----------
    split : of the source; empty where it has none
    label : empty for all labels of the split together
    listed : rows that the dataset at hand lists, rejected and repeated ones included
    published : images of the release
    """

    split: str
    label: str
    listed: int
    published: int

    def __str__(self) -> str:
        return f"{self.name} {_number(self.listed)}, published {_number(self.published)}"

    @property
    def name(self) -> str:
        """`test disgust`, `test`, `disgust`, or `all`."""
        return " ".join(filter(None, (self.split, self.label))) or "all"


@dataclass(frozen=True)
class PublishedComparison:
    """A sample table against the published counts of its dataset.

    Parameters
    ----------
    status : equal; differs: from every release; none: nothing is published of the dataset, or for these options
    title : of the dataset; empty if nothing is known of it
    release : whose counts are equal, or the nearest ones: with the smallest sum of differences
    source : where the published figures are from
    differences : of that release, in the order of splits and labels
    unusable : rows of the table that are listed and rejected, as their images are missing or cannot be read
    repeated : rows of the source that repeat a row of the table, and are not in it
    """

    status: Literal["equal", "differs", "none"]
    title: str = ""
    release: str = ""
    source: str = ""
    differences: tuple[CountDifference, ...] = ()
    unusable: int = 0
    repeated: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain data: status, release, and of every difference what is listed and what is published."""
        differences = {d.name: {"listed": d.listed, "published": d.published} for d in self.differences}
        counts = {"unusable": self.unusable, "repeated": self.repeated}
        return {"status": self.status, "release": self.release, "differences": differences, **counts}

    def note(self) -> str:
        """The outcome in a sentence; empty if nothing is known of the dataset."""
        if not self.title:
            return ""
        if self.status == "none":
            return f"counts: none are published of {self.title} with these options"
        return f"{self._outcome()}{''.join(f'; {part}' for part in self._parts())}"

    def _outcome(self) -> str:
        release = f"{self.title}, {self.release}"
        if self.status == "equal":
            return f"counts equal those published of {release}"
        shown = "; ".join(map(str, self.differences[:_SHOWN]))
        more = f"; and {len(self.differences) - _SHOWN:,} more" if len(self.differences) > _SHOWN else ""
        return f"counts differ from those published; nearest is {release}: {shown}{more}"

    def _parts(self) -> Iterator[str]:
        if self.unusable:
            yield f"unusable rows among them: {self.unusable:,}"
        if self.repeated:
            yield f"rows among them that repeat another one: {self.repeated:,}"


def known_facts(info: TableInfo) -> DatasetFacts | None:
    """What is known of the dataset of a table; None for layouts outside of this package, whose code is not run."""
    layout = LAYOUTS.get(info.layout)
    return facts_of(layout) if layout else None


def facts_of(layout: Layout[Any]) -> DatasetFacts | None:
    """What a layout states of its dataset; None if it has no `facts`, as those of one's own need not."""
    facts = getattr(layout, "facts", None)
    return facts if isinstance(facts, DatasetFacts) else None


def compare_with_published(table: SampleTable, facts: DatasetFacts | None) -> PublishedComparison:
    """The images or clips that a table lists, per split and expression, against every release that its options allow.

    Splits that were carved are counted as the split that they were taken from. Expressions that the table cannot hold
    are left out. Rejected rows and repeated ones count, as publications count the rows of lists.
    """
    unusable = int((table.units["status"] != OK).sum())
    repeated = sum(sum(labels.values()) for labels in table.info.repeated.values())
    if facts is None:
        return PublishedComparison("none", unusable=unusable, repeated=repeated)
    releases = [release for release in facts.counts if _allowed(release, table.info.options)]
    if not releases:
        return PublishedComparison("none", facts.title, unusable=unusable, repeated=repeated)
    compared = [(release, _differences(listed_counts(table, release), release, table.info)) for release in releases]
    release, differences = min(compared, key=lambda pair: _distance(pair[1]))
    status: Literal["equal", "differs"] = "differs" if differences else "equal"
    return PublishedComparison(
        status, facts.title, release.release, release.source, tuple(differences), unusable, repeated
    )


def listed_counts(table: SampleTable, release: PublishedCounts | None = None) -> dict[str, Counter[str]]:
    """Split of the source -> label -> rows that it lists.

    Parameters
    ----------
    release : whose splits are those of the source where the table does not state what was carved: in tables of
        earlier versions
    """
    carved = table.info.carved
    if carved is None:
        carved = _carved_from(release) if release else {}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    rows = cast("dict[tuple[str, str], int]", table.units.groupby(["split", "label"]).size().to_dict())
    for (split, label), n in rows.items():
        counts[carved.get(split, split)][label] += int(n)
    for split, labels in table.info.repeated.items():
        counts[split].update(labels)
    return counts


def _carved_from(release: PublishedCounts) -> dict[str, str]:
    splits = _splits(release)
    source = "train" if "train" in splits else ""
    return {split: source for split in ("train", "val", "test") if split not in splits and source in splits}


def _splits(release: PublishedCounts) -> list[str]:
    return list(dict.fromkeys((*release.labels, *release.totals)))


def _differences(listed: _Counts, release: PublishedCounts, info: TableInfo) -> list[CountDifference]:
    splits = dict.fromkeys((*_splits(release), *(split for split, labels in listed.items() if any(labels.values()))))
    return [d for split in splits for d in _of_split(split, listed.get(split, {}), release, info.classes)]


def _of_split(
    split: str, listed: Mapping[str, int], release: PublishedCounts, classes: Sequence[str]
) -> Iterator[CountDifference]:
    published = release.labels.get(split)
    n = sum(listed.values())
    if published is None or not n:
        total = release.totals.get(split, 0) if published is None else sum(published.get(c, 0) for c in classes)
        if n != total:
            yield CountDifference(split, "", n, total)
        return
    for label in classes:
        pair = listed.get(label, 0), published.get(label, 0)
        if pair[0] != pair[1]:
            yield CountDifference(split, label, *pair)


def _number(n: int) -> str:
    return f"{n:,}" if n else "none"


def _allowed(release: PublishedCounts, options: Mapping[str, Any]) -> bool:
    """Whether a release holds under the options of a table, which are those of JSON; one that it lacks is empty."""
    return all(
        _as_json(options[name]) == _as_json(value) if name in options else value in ("", None)
        for name, value in release.options.items()
    )


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _distance(differences: Sequence[CountDifference]) -> int:
    return sum(abs(d.listed - d.published) for d in differences)
