"""Folds: groups stay whole, every unit is tested once, classes are even, and the order of rows plays no part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.tables.fold import Fold
from pipeline.tables.folds import NO_FOLD, GroupedRows, assign_folds, fold_splits, table_folds


def table(**columns: list[str]) -> dict[str, Any]:
    n = len(next(iter(columns.values())))
    ids = columns.pop("id", [f"i{i:03d}" for i in range(n)])
    filled = {"id": ids, "label": ["fear"] * n, **columns}
    return {name: np.array(values, object) for name, values in filled.items()}


def grouped(*, clips: bool = False, **columns: list[str]) -> GroupedRows:
    return GroupedRows.of(table(**columns), clips=clips)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Rows that subjects, clips and equal bytes link at random; some of it is not known."""
    n = draw(st.integers(12, 30))

    def column(prefix: str, most: int) -> list[str]:
        numbers = draw(st.lists(st.integers(0, most), min_size=n, max_size=n))
        return [f"{prefix}{number}" if number else "" for number in numbers]

    labels = draw(st.lists(st.sampled_from(["fear", "anger", "neutral"]), min_size=n, max_size=n))
    return table(label=labels, subject=column("s", 40), clip=column("c", 60), sha256=column("x", 90))


@settings(max_examples=25)
@given(tables(), st.integers(2, 4))
def test_no_subject_clip_or_equal_bytes_are_in_two_folds(columns: dict[str, Any], n: int) -> None:
    groups = GroupedRows.of(columns, clips=False)
    if len(groups) < n:
        return
    numbers = assign_folds(groups, n, "x")
    assert set(numbers.tolist()) == set(range(1, n + 1))  # every row in one fold, no fold empty
    for name in ("subject", "clip", "sha256"):
        for value in set(columns[name].tolist()) - {""}:
            assert len(set(numbers[columns[name] == value].tolist())) == 1, (name, value)


@settings(max_examples=25)
@given(tables(), st.integers(2, 4))
def test_every_row_is_tested_once_and_no_group_is_in_two_splits(columns: dict[str, Any], n: int) -> None:
    groups = GroupedRows.of(columns, clips=False)
    if len(groups) < n + 2:
        return
    numbers = assign_folds(groups, n, "x")
    tested = np.zeros(len(numbers), int)
    for number in range(1, n + 1):
        try:
            splits = fold_splits(groups, numbers, number, 0.1, "x")
        except DatasetError:  # one group of all other folds
            return
        assert set(splits.tolist()) == {"train", "val", "test"}
        tested += splits == "test"
        assert all(len(set(splits[groups.codes == group].tolist())) == 1 for group in range(len(groups)))
    assert (tested == 1).all()


@settings(max_examples=15)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_fold_and_no_split(columns: dict[str, Any], random: Any) -> None:
    order = list(range(len(columns["id"])))
    random.shuffle(order)
    groups = GroupedRows.of(columns, clips=False)
    shuffled = GroupedRows.of({name: values[order] for name, values in columns.items()}, clips=False)
    if len(groups) < 6:
        return
    numbers = assign_folds(groups, 3, "x")
    assert assign_folds(shuffled, 3, "x").tolist() == numbers[order].tolist()
    try:
        splits = fold_splits(groups, numbers, 1, 0.1, "x")
    except DatasetError:
        return
    assert fold_splits(shuffled, numbers[order], 1, 0.1, "x").tolist() == splits[order].tolist()


def test_folds_are_even_in_size_and_classes() -> None:
    """100 subjects of one image of fear and 10 of anger: each of 5 folds has 20 and 2."""
    labels = ["fear"] * 100 + ["anger"] * 10
    groups = grouped(label=labels, subject=[f"s{i}" for i in range(110)])
    numbers = assign_folds(groups, 5, "x")
    for number in range(1, 6):
        chosen = [label for label, at in zip(labels, numbers.tolist(), strict=True) if at == number]
        assert (chosen.count("fear"), chosen.count("anger")) == (20, 2)


def test_large_groups_are_placed_first() -> None:
    """Subjects of 4, 3, 3, 2 images in 2 folds: 4 in one, 3 and 3 make the other 6, 2 evens it out."""
    subjects = ["a"] * 4 + ["b"] * 3 + ["c"] * 3 + ["d"] * 2
    numbers = assign_folds(grouped(subject=subjects), 2, "x")
    assert sorted(np.bincount(numbers)[1:].tolist()) == [6, 6]


def test_rows_that_others_link_are_one_group() -> None:
    """0 and 1 share a subject, 1 and 2 their bytes; 3 stands alone."""
    groups = grouped(subject=["s", "s", "", ""], sha256=["a", "b", "b", "c"])
    assert groups.codes.tolist() == [0, 0, 0, 1]
    assert groups.names.tolist() == ["i002", "i003"]  # the first by name: i002 before the subject s


def test_clips_count_once_however_many_frames_they_have() -> None:
    groups = grouped(clip=["c1", "c1", "c1", "c2"], clips=True)
    assert groups.counts().tolist() == [[1], [1]]


def test_of_the_other_folds_a_tenth_is_validated_on() -> None:
    """200 images, 40 of them tested on: 16 of the other 160, a half more or less."""
    groups = grouped(subject=[f"s{i}" for i in range(200)])
    numbers = assign_folds(groups, 5, "x")
    splits = fold_splits(groups, numbers, 2, 0.1, "x")
    assert (numbers[splits == "test"] == 2).all()
    assert (splits == "test").sum() == 40
    assert 8 <= (splits == "val").sum() <= 24


def test_a_validation_split_has_each_class_of_which_it_should_have_two() -> None:
    labels = (["fear"] * 7 + ["anger"] * 3) * 10
    groups = grouped(label=labels, subject=[f"s{i}" for i in range(100)])
    for number in range(1, 6):
        splits = fold_splits(groups, assign_folds(groups, 5, "x"), number, 0.1, "x")
        assert {label for label, split in zip(labels, splits, strict=True) if split == "val"} == {"fear", "anger"}


def test_rows_without_a_fold_are_trained_on_unless_their_group_is_elsewhere() -> None:
    """Subject a is tested on: its row without a fold is not used. Subject z has no fold at all: it is trained on."""
    subjects = ["a", "a", "b", "c", "d", "z"]
    numbers = np.array([1, NO_FOLD, 2, 2, 2, NO_FOLD])
    splits = fold_splits(grouped(subject=subjects), numbers, 1, 0.3, "x")
    assert (splits[0], splits[1], splits[5]) == ("test", "", "train")
    assert sorted(splits[2:5].tolist()) == ["train", "train", "val"]


def test_rows_of_a_group_that_is_in_no_fold_are_never_tested() -> None:
    numbers = np.array([1, 2, 2, 1, NO_FOLD])
    groups = grouped(subject=list("abcde"))
    assert all(fold_splits(groups, numbers, number, 0.1, "x")[4] == "train" for number in (1, 2))


@pytest.mark.parametrize(("numbers", "words"), [([0, 1, 2], "found 0, 1, 2"), ([1, 3], "found 1, 3"), ([1], "found 1")])
def test_folds_that_are_not_numbered_from_one_are_refused(numbers: list[int], words: str) -> None:
    with pytest.raises(DatasetError, match=f"numbered from 1 without gaps, {words}"):
        table_folds(np.array(numbers), "mine")


def test_a_table_without_numbers_has_no_folds() -> None:
    assert table_folds(np.full(3, NO_FOLD), "mine") == 0
    assert table_folds(np.array([2, NO_FOLD, 1]), "mine") == 2


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"mine: expected 3 groups or more for 3 folds, found 2.*at most 2 folds"):
        assign_folds(grouped(subject=["a", "a", "b"]), 3, "mine")


def test_one_group_beside_the_test_fold_cannot_be_divided() -> None:
    with pytest.raises(DatasetError, match=r"mine, fold 1: expected two groups or more beside the test fold"):
        fold_splits(grouped(subject=["a", "b"]), np.array([1, 2]), 1, 0.1, "mine")


def test_a_fold_is_named_in_folders() -> None:
    assert Fold(2, 5, "table").name == "fold-2-of-5"
    assert Fold(2, 5, "groups").as_json() == {"number": 2, "n": 5, "source": "groups"}
