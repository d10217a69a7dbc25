"""The difference of two methods on the same units: small cases by hand, and what must not change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.comparison import PairedHits, mean_score, paired_difference
from pipeline.comparison.paired import PairedDifference
from pipeline.errors import InputError, MismatchError
from pipeline.learning.metrics import METRICS, confusion_matrix


def hits(first: list[Any], second: list[Any], labels: list[Any], groups: list[Any] | None = None) -> PairedHits:
    """Of one seed, or of several for lists of lists."""
    sides = [np.atleast_2d(np.array(side, float)) for side in (first, second)]
    return PairedHits(np.array(labels), *sides, None if groups is None else np.array(groups))


def compared(pair: PairedHits, metric: str = "uar", seed: int = 0) -> PairedDifference:
    return paired_difference(pair, metric, np.random.default_rng(seed))


def drawn(n: int = 300, n_seeds: int = 1, better: float = 0.0, seed: int = 0) -> PairedHits:
    rng = np.random.default_rng(seed)
    labels = rng.choice(list("abc"), n, p=[0.7, 0.2, 0.1])
    common = rng.random(n)
    sides = [common + rng.normal(0, 0.2, (n_seeds, n)) < limit for limit in (0.6 + better, 0.6)]
    return PairedHits(labels, *(side.astype(float) for side in sides))


def test_a_small_case_is_as_by_hand() -> None:
    """Recalls 2/2, 1/4 against 1/2, 2/4: UAR 5/8 and 1/2; accuracy 3/6 and 3/6."""
    pair = hits([1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0], list("aabbbb"))
    uar, accuracy = compared(pair), compared(pair, "accuracy")
    assert (uar.first, uar.second) == pytest.approx((0.625, 0.5))
    assert uar.difference == pytest.approx(0.125)
    assert accuracy.difference == pytest.approx(0.0, abs=1e-12)
    assert (uar.n_units, uar.n_groups, uar.n_discordant) == (6, 6, 2)
    assert uar.mcnemar == (1.0,)
    assert uar.seed_sd is None


def test_the_smallest_difference_of_a_small_case_is_as_by_hand() -> None:
    """Accuracy of four units with differences 1, 0, 0, 0: four can show nothing, half of the interval is 1. Deviations
    (3, -1, -1, -1) / 16: variance 4/3 x 12/256 = 1/16; 80 % power adds 0.841621 x 1/4."""
    result = compared(hits([1, 1, 0, 0], [0, 1, 0, 0], list("aabb")), "accuracy")
    assert (result.low, result.high, result.p) == (-1.0, 1.0, 1.0)
    assert result.smallest == pytest.approx(1.210405, abs=1e-5)


def test_scores_are_those_of_the_confusion_counts() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    counts = confusion_matrix(truth, predicted, 5)  # the fifth class has no unit
    for metric in ("uar", "accuracy"):
        right = (truth == predicted).astype(float)[None]
        assert mean_score(truth, right, metric) == pytest.approx(METRICS[metric].score(counts))


def test_methods_change_places() -> None:
    pair = drawn(better=0.05)
    one = compared(pair, seed=1)
    other = compared(PairedHits(pair.labels, pair.second, pair.first), seed=1)
    assert other.difference == pytest.approx(-one.difference)
    assert other.p == pytest.approx(one.p, rel=0.4)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=0.01)


def test_the_same_generator_gives_the_same_numbers() -> None:
    assert compared(drawn()) == compared(drawn())


def test_accuracy_of_units_alone_has_the_p_of_mcnemar() -> None:
    pair = drawn(better=0.05)
    result = compared(pair, "accuracy")
    assert result.p == result.p_units == pytest.approx(result.mcnemar[0], rel=0.35)


def test_copies_of_a_unit_in_one_group_are_one_unit() -> None:
    """Ten frames of each person say what one frame says: the interval and p of 30 units, not of 300."""
    pair = drawn(30)
    people = np.repeat(np.arange(30), 10)
    copies = PairedHits(
        pair.labels[people], pair.first[:, people], pair.second[:, people], np.array([f"subject {i}" for i in people])
    )
    alone = PairedHits(copies.labels, copies.first, copies.second)
    grouped, single = compared(copies, "accuracy"), compared(pair, "accuracy")
    assert (grouped.n_units, grouped.n_groups) == (300, 30)
    assert grouped.difference == pytest.approx(single.difference)
    assert grouped.p == pytest.approx(single.p, rel=0.3)
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.05)
    assert grouped.high - grouped.low > 2 * (compared(alone, "accuracy").high - compared(alone, "accuracy").low)


def test_two_methods_that_agree_on_a_small_class_are_not_taken_to_agree_always() -> None:
    """They differ on 20 of 100 units of `a` evenly and on none of two of `b`, which are half of the UAR."""
    first = [1, 0] * 10 + [1] * 80 + [1, 1]
    second = [0, 1] * 10 + [1] * 80 + [1, 1]
    result = compared(hits(first, second, ["a"] * 100 + ["b"] * 2))
    of_large_class = 1.98 * np.sqrt(0.2 / 100) / 2
    assert (result.high - result.low) / 2 > 2 * of_large_class
    assert result.difference == pytest.approx(0, abs=1e-12)


def test_people_on_whom_methods_agree_are_not_as_many_as_their_units() -> None:
    """Twenty people of ten units on whom nothing differs: the interval of twenty units, z^2 / (20 + z^2) = 0.161."""
    same = [1.0] * 200
    result = compared(hits(same, same, ["a"] * 200, [f"subject {i // 10}" for i in range(200)]))
    assert (result.low, result.high) == pytest.approx((-0.161, 0.161), rel=0.08)


def test_equal_predictions_are_no_proof_of_equal_methods() -> None:
    same = [1.0] * 40 + [0.0] * 20
    result = compared(hits(same, same, ["a", "b"] * 30))
    assert (result.difference, result.p, result.n_discordant) == (0.0, 1.0, 0)
    assert result.low < 0 < result.high


def test_seeds_are_a_second_source() -> None:
    """Heads of three seeds, better by 2, 5 and 3 points of accuracy on 10,000 units: units alone are sure of 3.3
    points, but of another choice of seeds Student's t with 2 degrees of freedom is not: p 0.063."""
    n = 10_000
    first = np.zeros((3, n))
    for seed, points in enumerate((0.02, 0.05, 0.03)):
        first[seed, : int(n * (0.5 + points))] = 1
    second = np.zeros((1, n))
    second[0, : n // 2] = 1
    result = compared(PairedHits(np.zeros(n), first, second), "accuracy")
    assert result.by_seed == pytest.approx((0.02, 0.05, 0.03))
    assert result.seed_sd == pytest.approx(0.0152753, abs=1e-6)
    assert result.p_units < 0.0001
    assert result.units_low > 0.02
    assert result.low < 0 < result.high
    assert result.p == pytest.approx(0.063, abs=0.003)
    assert result.difference == pytest.approx((result.low + result.high) / 2, abs=0.001)
    assert len(result.mcnemar) == 3


def test_shares_of_several_heads_have_no_mcnemar() -> None:
    assert compared(hits([0.5, 1, 0, 1], [1, 0, 0, 1], list("abab"))).mcnemar == ()


def test_one_person_alone_is_refused() -> None:
    with pytest.raises(InputError, match="expected units of two groups or more, found 4 of one person or clip"):
        compared(hits([1, 0, 1, 1], [0, 0, 1, 0], list("aabb"), ["subject x"] * 4))


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least one unit"):
        hits([[]], [[]], [])
    with pytest.raises(MismatchError, match="expected 3 units"):
        hits([1, 0], [0, 1, 1], list("aab"))
    with pytest.raises(MismatchError, match="found 3 and 2"):
        hits([[1, 0]] * 3, [[1, 0]] * 2, list("ab"))
    with pytest.raises(InputError, match="expected uar or accuracy, found 'f1'"):
        compared(drawn(), "f1")


def test_three_hundred_thousand_units_need_no_row_of_resamples() -> None:
    """Counts are resampled: 2,000 resamples of rows would be 600 million numbers."""
    result = compared(drawn(300_000, n_seeds=3, better=0.001))
    assert result.n_units == 300_000
