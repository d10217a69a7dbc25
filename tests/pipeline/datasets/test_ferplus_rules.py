"""Votes to labels: worked cases by hand, and properties of every rule."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.layouts.ferplus_rules import (
    COLUMNS,
    SOFT_RULES,
    RuleName,
    distribution_of,
    label_of_votes,
)
from pipeline.tables.labels import EXPRESSIONS

VOTES = st.lists(st.integers(0, 10), min_size=10, max_size=10).map(tuple)
RULES = st.sampled_from(get_args(RuleName))


def votes(**counts: int) -> tuple[int, ...]:
    assert set(counts) <= set(COLUMNS)
    return tuple(counts.get(column, 0) for column in COLUMNS)


@pytest.mark.parametrize(
    ("rule", "counts", "expected"),
    [
        # Majority. 5 of 8 once the two single votes are gone.
        ("majority", {"neutral": 5, "sadness": 1, "anger": 1, "unknown": 3}, ("neutral", "")),
        # 5 of 10 is half, not more.
        ("majority", {"neutral": 5, "sadness": 5}, ("", "no majority")),
        ("majority", {"neutral": 4, "fear": 3, "sadness": 3}, ("", "no majority")),
        ("majority", dict.fromkeys(COLUMNS, 1), ("", "no majority")),
        ("majority", {"nf": 10}, ("", "unknown or not a face")),
        ("majority", {"unknown": 6, "fear": 4}, ("", "unknown or not a face")),
        ("majority", {"contempt": 9, "neutral": 1}, ("contempt", "")),
        # Probability. 4 + 3 = 7 of 10 is below three quarters, so the group of 3 counts whole: three emotions.
        ("probability", {"anger": 4, "fear": 3, "sadness": 3}, ("anger", "")),
        # 8 of 10 is enough with one.
        ("probability", {"anger": 8, "fear": 2}, ("anger", "")),
        # Five emotions share the first place: more than three.
        ("probability", dict.fromkeys(COLUMNS[:5], 2), ("", "no clear distribution")),
        # Unknown comes second and ends the search: 5 of 9 are more than half.
        ("probability", {"fear": 5, "unknown": 4}, ("fear", "")),
        # The same with 4 of 9, no more than half: anger came after unknown and is not taken.
        ("probability", {"fear": 4, "unknown": 3, "anger": 2}, ("", "no clear distribution")),
        # Anger shares the second place with unknown and is taken: 7 of 10.
        ("probability", {"fear": 4, "unknown": 3, "anger": 3}, ("fear", "")),
        # Unknown shares the first place: it drops out, and fear alone holds half, not more.
        ("probability", {"fear": 5, "unknown": 5}, ("", "no clear distribution")),
        ("probability", {"unknown": 6, "fear": 4}, ("", "unknown or not a face")),
        # Multi-target: 3 of 9 are a third once the single vote is gone; 4 + 3 = 7 of 9 are more than half.
        ("multi_target", {"anger": 4, "fear": 3, "sadness": 2, "disgust": 1}, ("anger", "")),
        # 3 of 10 are 30 %, and 6 of 10 are more than half.
        ("multi_target", {"anger": 3, "fear": 3, "sadness": 2, "disgust": 2}, ("anger", "")),
        # 4 of 8 alone have 30 %, and are half, not more.
        (
            "multi_target",
            {"anger": 4, "fear": 2, "sadness": 2, "disgust": 1, "neutral": 1},
            ("", "no clear distribution"),
        ),
        ("multi_target", {"unknown": 5, "anger": 4, "fear": 1}, ("", "unknown or not a face")),
        ("multi_target", dict.fromkeys(COLUMNS, 1), ("", "no clear distribution")),
        # Unknown has most votes, and does not take part.
        ("argmax-8", {"unknown": 6, "fear": 3, "anger": 1}, ("fear", "")),
        ("argmax-8", {"nf": 10}, ("neutral", "")),
        # Six of ten; single votes count: 5 of 10 are no majority here, and one of `majority`.
        ("majority-10", {"fear": 6, "anger": 4}, ("fear", "")),
        ("majority-10", {"neutral": 5, "sadness": 1, "anger": 1, "unknown": 3}, ("", "no majority")),
        ("majority-10", {"nf": 6, "anger": 4}, ("", "unknown or not a face")),
        # Argmax over all ten columns, single votes included.
        ("argmax", {"fear": 3, "neutral": 2, "sadness": 2, "anger": 1, "disgust": 2}, ("fear", "")),
        ("argmax", {"nf": 4, "fear": 3, "anger": 3}, ("", "unknown or not a face")),
    ],
)
def test_worked_cases(rule: RuleName, counts: dict[str, int], expected: tuple[str, str]) -> None:
    assert label_of_votes(votes(**counts), rule, "first") == expected


def test_a_tie_goes_to_the_first_column() -> None:
    assert label_of_votes(votes(neutral=4, sadness=4, fear=2), "argmax", "first") == ("neutral", "")
    assert label_of_votes(votes(fear=4, unknown=4), "argmax", "first") == ("fear", "")


def test_a_tie_can_leave_the_row_out() -> None:
    assert label_of_votes(votes(neutral=4, sadness=4, fear=2), "argmax", "exclude") == ("", "tie")
    assert label_of_votes(votes(neutral=4, sadness=4), "probability", "exclude") == ("", "tie")
    assert label_of_votes(votes(nf=10), "argmax-8", "exclude") == ("", "tie")


@settings(deadline=None)
@given(VOTES, RULES)
def test_a_row_has_a_label_or_a_reason(counts: tuple[int, ...], rule: RuleName) -> None:
    label, reason = label_of_votes(counts, rule, "first")
    assert bool(label) != bool(reason)
    assert label in ("", *COLUMNS[:8])


@settings(deadline=None)
@given(VOTES, RULES)
def test_the_label_has_as_many_votes_as_any_other_emotion(counts: tuple[int, ...], rule: RuleName) -> None:
    label, _ = label_of_votes(counts, rule, "first")
    if label:
        assert counts[COLUMNS.index(label)] == max(counts[:8])


@settings(deadline=None)
@given(VOTES)
def test_majority_never_meets_a_tie(counts: tuple[int, ...]) -> None:
    assert label_of_votes(counts, "majority", "first") == label_of_votes(counts, "majority", "exclude")


@settings(deadline=None)
@given(VOTES)
def test_a_majority_label_is_a_probability_label(counts: tuple[int, ...]) -> None:
    label, _ = label_of_votes(counts, "majority", "first")
    if label:
        assert label_of_votes(counts, "probability", "first")[0] in (label, "")


@settings(deadline=None)
@given(VOTES, RULES, st.permutations(range(8)))
def test_without_a_tie_the_order_of_columns_does_not_matter(
    counts: tuple[int, ...], rule: RuleName, order: list[int]
) -> None:
    label, reason = label_of_votes(counts, rule, "exclude")
    shuffled = (*(counts[i] for i in order), *counts[8:])
    expected = COLUMNS[order.index(COLUMNS.index(label))] if label else ""
    assert label_of_votes(shuffled, rule, "exclude") == (expected, reason)


class TestDistribution:
    """Shares in the order surprise, fear, disgust, happiness, sadness, anger, neutral, contempt, by hand."""

    @pytest.mark.parametrize(
        ("rule", "counts", "expected"),
        [
            # All three groups are taken: 4 + 3 + 3 of 10.
            ("probability", {"anger": 4, "fear": 3, "sadness": 3}, (0, 0.3, 0, 0, 0.3, 0.4, 0, 0)),
            # Unknown ends the search: fear alone.
            ("probability", {"fear": 5, "unknown": 4}, (0, 1, 0, 0, 0, 0, 0, 0)),
            # 4 and 3 of 9 have 30 %; the 2 of sadness do not.
            ("multi_target", {"anger": 4, "fear": 3, "sadness": 2, "disgust": 1}, (0, 3 / 7, 0, 0, 0, 4 / 7, 0, 0)),
            # Unknown has 30 % and is left out of the shares.
            ("multi_target", {"anger": 4, "unknown": 3, "sadness": 3}, (0, 0, 0, 0, 3 / 7, 4 / 7, 0, 0)),
        ],
    )
    def test_worked_cases(self, rule: RuleName, counts: dict[str, int], expected: tuple[float, ...]) -> None:
        assert distribution_of(votes(**counts), rule, EXPRESSIONS) == pytest.approx(expected)

    def test_contempt_is_left_out_of_seven_classes(self) -> None:
        shares = distribution_of(votes(contempt=4, neutral=6), "multi_target", EXPRESSIONS[:7])
        assert shares == (0, 0, 0, 0, 0, 0, 1)
        assert distribution_of(votes(contempt=10), "multi_target", EXPRESSIONS[:7]) is None

    def test_rules_that_choose_one_label_have_none(self) -> None:
        hard = set(get_args(RuleName)) - SOFT_RULES
        assert {distribution_of(votes(anger=10), rule, EXPRESSIONS) for rule in hard} == {None}

    @settings(deadline=None)
    @given(VOTES, RULES)
    def test_shares_sum_to_one_and_the_label_has_the_largest(self, counts: tuple[int, ...], rule: RuleName) -> None:
        shares, (label, _) = distribution_of(counts, rule, EXPRESSIONS), label_of_votes(counts, rule, "first")
        assert (shares is not None) == (bool(label) and rule in SOFT_RULES)
        if shares is not None:
            assert math.isclose(sum(shares), 1)
            assert shares[EXPRESSIONS.index(label)] == max(shares)
