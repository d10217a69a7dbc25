"""The shared rules between a label file and its samples."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.reading.base import LayoutOptions
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, splits_of, translate
from pipeline.errors import DatasetError, LabelError
from pipeline.tables.labels import CODE_MAPS, expressions
from pipeline.tables.samples import Sample
from pipeline.tables.splits import carve, carving_notes

SEVEN = expressions(7)


def row(name: str, label: str = "fear", split: str = "", subject: str | None = None, excluded: str = "") -> Row:
    return Row(Sample(name, f"{name}.jpg", label, split, subject=subject), excluded)


def carved(rows: list[Row], split_seed: int = 0, **shares: float) -> list[Sample]:
    scan = assemble(rows, LayoutOptions(split_seed=split_seed, **shares))
    return carve(scan.samples, scan.shares, split_seed)


def notes_on(rows: list[Row], **shares: float) -> list[str]:
    return list(carving_notes(carved(rows, **shares), assemble(rows, LayoutOptions(**shares)).shares))


class TestTranslate:
    @pytest.mark.parametrize("text", ["3", " 3 ", "3.0", "   3.0000000e+00", "03", "+3"])
    def test_numbers_are_read_however_they_are_written(self, text: str) -> None:
        assert translate([text], CODE_MAPS["ck-plus"], "list") == ["disgust"]

    @pytest.mark.parametrize("text", ["3.5", "3e5", "", "nan", "inf", "-1", "8"])
    def test_other_numbers_are_refused(self, text: str) -> None:
        with pytest.raises(LabelError):
            translate([text], CODE_MAPS["ck-plus"], "list")

    def test_a_number_without_codes_is_never_guessed(self) -> None:
        with pytest.raises(LabelError, match=r"A number means something else in every dataset"):
            translate(["3"], None, "list")

    def test_names_and_codes_may_stand_in_one_file(self) -> None:
        assert translate(["Happy", "3"], CODE_MAPS["ck-plus"], "list") == ["happiness", "disgust"]


class TestMergeRepeats:
    def test_equal_rows_become_one_and_are_counted(self) -> None:
        merged = merge_repeats([row("a"), row("b"), row("a"), row("a")], SEVEN)
        assert [(r.sample.id, r.sample.reason, r.excluded) for r in merged] == [
            ("a", "", ""),
            ("a", "", "repeated row"),
            ("a", "", "repeated row"),
            ("b", "", ""),
        ]

    @pytest.mark.parametrize(
        "other",
        [
            row("a", label="anger"),
            row("a", split="test"),
            row("a", excluded="not a face"),
            row("a", label="contempt"),
            Row(replace(row("a").sample, box=(0, 0, 1, 1))),
        ],
        ids=["label", "split", "excluded", "class", "box"],
    )
    @pytest.mark.parametrize("reverse", [False, True])
    def test_contradicting_rows_make_one_rejected_sample(self, other: Row, reverse: bool) -> None:
        rows = [other, row("a")] if reverse else [row("a"), other]
        kept = [r.sample for r in merge_repeats(rows, SEVEN) if not r.excluded]
        assert [sample.reason for sample in kept] == ["conflicting rows"]
        assert kept[0].label in SEVEN

    def test_rows_that_are_all_excluded_stay_so(self) -> None:
        rows = [row("a", excluded="nothing"), row("a", excluded="no face")]
        assert merge_repeats(rows, SEVEN) == rows

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["fear", "anger", "contempt"]))))
    def test_no_row_is_lost_and_no_id_kept_twice(self, pairs: list[tuple[str, str]]) -> None:
        rows = [row(name, label) for name, label in pairs]
        merged = merge_repeats(rows, SEVEN)
        kept = [r.sample.id for r in merged if not r.excluded]
        assert len(merged) == len(rows)
        assert len(set(kept)) == len(kept)


class TestSplits:
    def test_spellings_are_known(self) -> None:
        assert splits_of(["Training", " valid", "TEST", "val"], "t") == ["train", "val", "test", "val"]

    def test_unknown_ones_are_all_named(self) -> None:
        with pytest.raises(DatasetError, match=r"found 2 x 'dev', 1 x 'fold1'"):
            splits_of(["dev", "fold1", "dev", "train"], "t")

    def test_none_or_all_rows_have_one(self) -> None:
        assert splits_of(["", ""], "t") == ["", ""]
        with pytest.raises(DatasetError, match=r"1 of 2 rows have no split"):
            splits_of(["", "train"], "t")

    def test_people_never_straddle_splits(self) -> None:
        rows = [row(f"{i}", subject=f"person {i % 60}") for i in range(600)]
        homes = {(sample.subject, sample.split) for sample in carved(rows)}
        assert len(homes) == 60
        assert {split for _, split in homes} == {"train", "val", "test"}

    def test_shares_are_about_as_asked(self) -> None:
        samples = carved([row(str(i)) for i in range(4000)], val_fraction=0.25, test_fraction=0.1)
        counts = [sum(s.split == split for s in samples) for split in ("val", "test")]
        assert counts == pytest.approx([1000, 400], rel=0.15)

    def test_nothing_is_taken_from_official_val_and_test(self) -> None:
        rows = [row(f"{split}{i}", split=split) for split in ("train", "val", "test") for i in range(50)]
        samples = carved(rows, val_fraction=0.4, test_fraction=0.4)
        assert [sample.split for sample in samples] == [r.sample.split for r in rows]
        assert notes_on(rows) == []

    def test_a_test_only_dataset_stays_one(self) -> None:
        rows = [row(str(i), split="test") for i in range(20)]
        assert {sample.split for sample in carved(rows)} == {"test"}
        assert notes_on(rows) == []

    def test_a_carved_split_is_told(self) -> None:
        notes = notes_on([row(str(i), split=s) for i, s in enumerate(["train", "test"])], val_fraction=0.3)
        assert "val: the dataset has none; a share of 0.3 of train" in notes[0]

    def test_a_carved_split_that_got_no_row_is_noted(self) -> None:
        rows = [row(str(i), subject="one person") for i in range(20)]
        notes = notes_on(rows)
        assert [note.split(", as")[0] for note in notes if "instead of" in note] == [
            "val: 0 of 20 rows instead of 2",
            "test: 0 of 20 rows instead of 4",
        ]

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 5), st.sets(st.text(min_size=1, max_size=5), min_size=2, max_size=30))
    def test_a_dataset_that_grows_moves_no_sample(self, seed: int, names: set[str]) -> None:
        first, *_ = ordered = sorted(names)
        home = {s.id: s.split for s in carved([row(name) for name in ordered], split_seed=seed)}
        assert carved([row(first)], split_seed=seed)[0].split == home[first]
