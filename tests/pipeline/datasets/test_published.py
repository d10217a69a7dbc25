"""Tables against published counts: equal, what differs from the nearest release, or nothing published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from real_files import pack_path
from trees import TREES, fer2013, pack

from pipeline.datasets import published
from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.published import CountDifference, compare_with_published, known_facts, listed_counts
from pipeline.datasets.reading.base import parse_options
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import Sample, SampleTable, TableInfo

CLASSES = ("fear", "anger")
# Sequences of these begin with a neutral frame, which some protocols leave out.
NOT_IN = {"ck-plus": ("neutral",), "oulu-casia": ("neutral",)}


def facts_of(*counts: PublishedCounts) -> DatasetFacts:
    return DatasetFacts("Faces", "faces", "here", "none", "nobody", "names", counts)


def table_of(counts: dict[str, dict[str, int]], rejected: int = 0, **info: Any) -> SampleTable:
    """Split -> label -> rows; the first `rejected` rows are no usable ones."""
    pairs = [(split, label) for split, labels in counts.items() for label, n in labels.items() for _ in range(n)]
    reasons = ["file is missing"] * rejected + [""] * (len(pairs) - rejected)
    samples = [
        Sample(f"{i}", f"{i}.png", label, split, sha256=f"{i:064x}", reason=reason)
        for i, ((split, label), reason) in enumerate(zip(pairs, reasons, strict=True))
    ]
    return SampleTable.from_samples(samples, TableInfo("faces", "folder", "data", CLASSES, **info))


BOTH = {"train": {"fear": 3, "anger": 2}, "test": {"fear": 1, "anger": 1}}
RELEASE = PublishedCounts("the whole", BOTH, source="a paper")


def test_equal_counts_name_the_release_and_its_source() -> None:
    result = compare_with_published(table_of(BOTH, carved={}), facts_of(PublishedCounts("half", {}), RELEASE))
    assert (result.status, result.release, result.source, result.differences) == ("equal", "the whole", "a paper", ())
    assert result.note() == "counts equal those published of Faces, the whole"


def test_carved_rows_count_as_the_split_that_they_were_taken_from() -> None:
    carved = {"train": {"fear": 2, "anger": 1}, "val": {"fear": 1, "anger": 1}, "test": BOTH["test"]}
    assert compare_with_published(table_of(carved, carved={"val": "train"}), facts_of(RELEASE)).status == "equal"
    own = compare_with_published(table_of(carved, carved={}), facts_of(RELEASE))
    assert [str(d) for d in own.differences] == [
        "train fear 2, published 3",
        "train anger 1, published 2",
        "val 2, published none",
    ]


def test_a_dataset_without_splits_is_counted_as_one() -> None:
    release = PublishedCounts("all", {"": {"fear": 4, "anger": 3}})
    table = table_of(BOTH, carved={"train": "", "val": "", "test": ""})
    assert compare_with_published(table, facts_of(release)).status == "equal"
    fewer = compare_with_published(table, facts_of(PublishedCounts("all", {"": {"fear": 4, "anger": 4}})))
    assert fewer.differences == (CountDifference("", "anger", 3, 4),)


@pytest.mark.parametrize(("release", "splits"), [(RELEASE, "train"), (PublishedCounts("a", totals={"": 7}), "")])
def test_a_table_of_an_earlier_version_has_the_splits_of_the_release(release: PublishedCounts, splits: str) -> None:
    """It does not state what was carved."""
    carved = {"train": {"fear": 2, "anger": 1}, "val": {"fear": 1, "anger": 1}, "test": BOTH["test"]}
    table = table_of(carved)
    assert splits in listed_counts(table, release)
    assert compare_with_published(table, facts_of(release)).status == "equal"


def test_rejected_and_repeated_rows_are_listed_and_counted_apart() -> None:
    listed = {"train": {"fear": 2, "anger": 2}, "test": BOTH["test"]}
    table = table_of(listed, rejected=2, carved={}, repeated={"train": {"fear": 1}})
    result = compare_with_published(table, facts_of(RELEASE))
    assert (result.status, result.unusable, result.repeated) == ("equal", 2, 1)
    assert result.note().endswith("unusable rows among them: 2; rows among them that repeat another one: 1")


def test_differences_are_those_of_the_nearest_release() -> None:
    near = PublishedCounts("near", {"train": {"fear": 3, "anger": 3}, "test": {"fear": 2, "anger": 1}})
    far = PublishedCounts("far", {"train": {"fear": 300, "anger": 2}, "test": BOTH["test"]})
    result = compare_with_published(table_of(BOTH, carved={}), facts_of(far, near))
    assert (result.status, result.release) == ("differs", "near")
    assert result.as_json()["differences"] == {
        "train anger": {"listed": 2, "published": 3},
        "test fear": {"listed": 1, "published": 2},
    }
    assert "nearest is Faces, near: train anger 2, published 3; test fear 1, published 2" in result.note()


def test_a_missing_split_is_one_difference() -> None:
    result = compare_with_published(table_of({"train": BOTH["train"]}, carved={}), facts_of(RELEASE))
    assert [str(d) for d in result.differences] == ["test none, published 2"]


def test_totals_are_compared_where_expressions_are_not_known() -> None:
    release = PublishedCounts("sums", {"train": BOTH["train"]}, totals={"test": 3})
    result = compare_with_published(table_of(BOTH, carved={}), facts_of(release))
    assert result.differences == (CountDifference("test", "", 2, 3),)


def test_expressions_that_the_table_cannot_hold_are_left_out() -> None:
    with_contempt = {split: labels | {"contempt": 9} for split, labels in BOTH.items()}
    table = table_of(BOTH, carved={})
    assert compare_with_published(table, facts_of(PublishedCounts("8", with_contempt))).status == "equal"


def test_releases_for_other_options_are_not_compared() -> None:
    facts = facts_of(replace(RELEASE, options={"rule": "majority"}))
    assert compare_with_published(table_of(BOTH, options={"rule": "majority"}), facts).status == "equal"
    result = compare_with_published(table_of(BOTH, options={"rule": "argmax"}), facts)
    assert (result.status, result.release) == ("none", "")
    assert result.note() == "counts: none are published of Faces with these options"


def test_an_option_that_an_earlier_version_lacked_is_empty() -> None:
    for value, status in (("", "equal"), (None, "equal"), (False, "none"), ("majority", "none")):
        facts = facts_of(replace(RELEASE, options={"rule": value}))
        assert compare_with_published(table_of(BOTH, carved={}), facts).status == status


def test_options_are_compared_as_json_has_them() -> None:
    facts = facts_of(replace(RELEASE, options={"angles": ("S", "HL")}))
    assert compare_with_published(table_of(BOTH, options={"angles": ["S", "HL"]}), facts).status == "equal"


def test_facts_of_a_layout_of_ones_own_are_used_and_nothing_else_of_that_name() -> None:
    class Own(type(LAYOUTS["folder"])):  # type: ignore[misc]
        facts: Any = facts_of(RELEASE)

    assert published.facts_of(Own()) is Own.facts
    Own.facts = "what I know"
    assert published.facts_of(Own()) is None


def test_nothing_known_is_no_note() -> None:
    result = compare_with_published(table_of(BOTH), None)
    assert (result.status, result.note()) == ("none", "")
    assert known_facts(TableInfo("faces", "my_layout.py:Mine", "data", CLASSES)) is None


def test_the_table_keeps_what_was_carved_and_repeated(tmp_path: Path) -> None:
    from stages.workflows.tables import write_table

    root = pack(fer2013.ferplus().files, tmp_path, "folder")
    table = index_dataset("ferplus", "ferplus", root, {})
    assert table.info.carved == {}
    assert sum(sum(labels.values()) for labels in table.info.repeated.values()) == table.info.excluded["repeated row"]
    write_table(table, tmp_path / "t.parquet")
    read = SampleTable.read(tmp_path / "t.parquet")
    facts = known_facts(table.info)
    assert compare_with_published(read, facts) == compare_with_published(table, facts)


@pytest.mark.parametrize(
    ("name", "carved"),
    [
        ("raf-db", {"val": "train"}),
        ("muxspace", {"train": "", "val": "", "test": ""}),
    ],
)
def test_index_records_which_splits_were_carved(name: str, carved: dict[str, str], tmp_path: Path) -> None:
    tree = next(tree for tree in TREES.values() if tree.layout == name)
    notes = []
    root = pack(tree.files, tmp_path, "folder")
    table = index_dataset("d", name, root, tree.options, lambda progress: notes.append(progress.note))
    assert table.info.carved == carved
    listed = listed_counts(table)
    assert sum(map(sum, (labels.values() for labels in listed.values()))) >= len(tree.samples)
    assert set(listed) <= {"", "train", "test"} - set(carved) | set(carved.values())
    assert len([note for note in notes if note.startswith("counts differ from those published")]) == 1


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if hasattr(layout, "facts")])
def test_published_counts_of_every_reader_can_be_compared(name: str) -> None:
    layout = LAYOUTS[name]
    for counts in known_facts(TableInfo(name, name, "data", CLASSES)).counts:  # type: ignore[union-attr]
        parsed = parse_options(layout, counts.options)
        assert counts.source
        assert {*counts.labels, *counts.totals} <= {"", "train", "val", "test"}
        assert counts.labels or counts.totals
        for split, labels in counts.labels.items():
            assert split not in counts.totals
            missing = [label for label in parsed.names if label not in labels]
            assert set(missing) <= {"contempt", *NOT_IN.get(name, ())}, (counts.release, split, missing)
            assert set(labels) <= {*parsed.names, *EXPRESSIONS}, (counts.release, split)


@pytest.mark.real_data
@pytest.mark.parametrize("options", [{}, {"rule": "argmax", "classes": 8}])
def test_ferplus_on_its_pack_has_the_counts_of_the_literature(options: dict[str, Any]) -> None:
    table = index_dataset("ferplus", "ferplus", pack_path("fer2013.tar.gz"), options)
    result = compare_with_published(table, known_facts(table.info))
    assert (result.status, result.unusable, result.repeated) == ("equal", 1, 3)
    assert result.release == f"fer2013new.csv by rule {options.get('rule', 'majority')}"


@pytest.mark.real_data
def test_muxspace_on_its_pack_is_the_part_that_it_is() -> None:
    table = index_dataset("muxspace", "muxspace", pack_path("muxspace.tar.gz"), {})
    result = compare_with_published(table, known_facts(table.info))
    assert (result.status, result.repeated) == ("equal", 7)
    assert "a part" in result.release


@pytest.mark.parametrize(
    ("rule", "totals"),
    [
        ("majority", ((25_060, 24_941), (3_199, 3_186), (3_153, 3_137))),
        ("probability", ((27_956, 27_796), (3_505, 3_482), (3_505, 3_480))),
        ("argmax", ((28_389, 28_224), (3_553, 3_529), (3_546, 3_519))),
    ],
)
def test_counts_of_ferplus_have_the_published_totals(rule: str, totals: tuple[tuple[int, int], ...]) -> None:
    """Training, PublicTest and PrivateTest, with and without contempt."""
    facts = known_facts(TableInfo("f", "ferplus", "data", CLASSES))
    assert facts
    (counts,) = (counts for counts in facts.counts if counts.options.get("rule") == rule)
    sums = [(sum(labels.values()), sum(labels.values()) - labels["contempt"]) for labels in counts.labels.values()]
    assert tuple(sums) == totals


def test_a_file_of_an_earlier_version_does_not_state_what_was_carved(tmp_path: Path) -> None:
    from stages.workflows.tables import write_table

    write_table(table_of(BOTH), tmp_path / "t.parquet")
    read = SampleTable.read(tmp_path / "t.parquet")
    assert (read.info.carved, read.info.repeated) == (None, {})
    assert b"carved" not in (tmp_path / "t.parquet").read_bytes()
