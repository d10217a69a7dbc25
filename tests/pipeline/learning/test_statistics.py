import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.statistics import mean_of_proportions_interval, wilson_interval

counts = st.lists(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=8
)


def test_wilson_interval_of_8_in_10():
    """z = 1.959964, z^2 = 3.841459: centre (0.8 + 0.192073) / 1.384146 = 0.716740, half width
    1.416010 * sqrt(0.016 + 0.009603647) = 0.226577."""
    assert wilson_interval(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)


def test_wilson_interval_has_a_width_when_every_or_no_row_is_right():
    """All right: from n / (n + z^2) = 10 / 13.841459 = 0.722467 to 1. None right is its mirror."""
    assert wilson_interval(10, 10) == pytest.approx((0.722467, 1.0), abs=1e-5)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-5)


def test_wilson_interval_ends_exactly_at_0_and_1_where_no_or_every_row_is_right():
    for n in range(1, 2000):
        assert wilson_interval(0, n)[0] == 0.0
        assert wilson_interval(n, n)[1] == 1.0


def test_interval_of_a_mean_of_one_is_that_of_clopper_and_pearson():
    """8 of 10, with p = 0.443905 and q = 1 - p: 45 p^8 q^2 + 10 p^9 q + p^10 = 0.020981 + 0.003722 + 0.000297 = 0.025.
    10 of 10: 0.025^(1/10) = e^(-3.688879 / 10) = 0.691503; none of 10 is its mirror."""
    assert mean_of_proportions_interval([8], [10]) == pytest.approx((0.443905, 0.974789), abs=1e-5)
    assert mean_of_proportions_interval([10], [10]) == pytest.approx((0.691503, 1.0), abs=1e-5)
    assert mean_of_proportions_interval([0], [10]) == pytest.approx((0.0, 0.308497), abs=1e-5)


def test_interval_of_equal_classes_without_a_miss_is_that_of_all_their_rows():
    """Two classes of 10: the most likely recalls of a lower mean are equal: 20 rows of 20, 0.025^(1/20) = 0.831567."""
    assert mean_of_proportions_interval([10, 10], [10, 10]) == pytest.approx((0.831567, 1.0), abs=1e-5)


def test_a_small_class_without_a_miss_may_hide_the_most():
    """5 of 5 and 20 of 20. The most likely recalls of a mean 1 - q / 2 are 1 - q and 1: V = q (1 - q) / 5 / 4 and
    n = (q / 2)(1 - q / 2) / V = 5 (2 - q) / (1 - q). (1 - q / 2)^n = 0.025 at q = 0.457223, where n = 14.2119 and
    0.771389^14.2119 = e^(-0.259563 * 14.2119) = 0.025."""
    assert mean_of_proportions_interval([5, 20], [5, 20]) == pytest.approx((0.771389, 1.0), abs=1e-5)


def test_interval_of_a_large_sample_is_the_normal_one():
    """Recalls 0.8 and 0.6 of 10,000 rows each: sqrt(0.16 + 0.24) / 2 / 100 = 0.003162, times 1.959964: 0.006198."""
    found = mean_of_proportions_interval([8000, 6000], [10_000, 10_000])
    assert found == pytest.approx((0.7 - 0.006198, 0.7 + 0.006198), abs=1e-4)


@given(counts)
def test_an_interval_contains_its_estimate_and_has_exact_ends(pairs):
    hits, totals = map(list, zip(*pairs, strict=True))
    low, high = mean_of_proportions_interval(hits, totals)
    mean = np.mean([hit / n for hit, n in pairs])
    assert 0.0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1.0
    assert (low == 0.0) == (sum(hits) == 0)
    assert (high == 1.0) == (hits == totals)


@given(counts)
def test_the_interval_of_misses_is_the_mirror_of_that_of_hits(pairs):
    hits, totals = map(list, zip(*pairs, strict=True))
    low, high = mean_of_proportions_interval(hits, totals)
    mirrored = mean_of_proportions_interval([n - hit for hit, n in pairs], totals)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


N_PER_CLASS = {"5": [5] * 7, "25": [25] * 7, "100": [100] * 7, "5 to 500": [5, 10, 20, 50, 100, 250, 500]}
RECALLS = {str(recall): [recall] * 7 for recall in (0.5, 0.8, 0.95, 0.99, 1.0)} | {
    "mixed": [0.5, 0.8, 0.95, 0.99, 1.0, 0.95, 0.8],
    "near the ceiling": [1.0, 1.0, 0.99, 1.0, 0.99, 1.0, 1.0],
    "one class fails": [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
}


def intervals_of_samples(totals, recalls, n_samples):
    """Different samples of hits, int (S, 7), how often each occurs, and their intervals, float (S, 2)."""
    drawn = np.random.default_rng(0).binomial(totals, recalls, size=(n_samples, 7))
    samples, times = np.unique(drawn, axis=0, return_counts=True)
    return samples, times, np.array([mean_of_proportions_interval(hits, totals) for hits in samples.tolist()])


def squared_distances_width(samples, totals):
    """Width of the earlier intervals, float (S,): Wilson's of each class, combined by squares of distances."""
    bounds = np.array([[wilson_interval(h, n) for h, n in zip(hits, totals, strict=True)] for hits in samples.tolist()])
    shares = samples / totals
    distances = (shares - bounds[:, :, 0], bounds[:, :, 1] - shares)
    ends = [np.sqrt(np.square(distance).sum(axis=1)) / 7 for distance in distances]
    return np.minimum(1, shares.mean(axis=1) + ends[1]) - np.maximum(0, shares.mean(axis=1) - ends[0])


def test_the_interval_of_a_uar_near_the_ceiling_covers_the_truth():
    """Seven classes of 25 rows at a recall of 0.99: intervals combined by squares cover 90 of 100."""
    samples, times, intervals = intervals_of_samples(N_PER_CLASS["25"], RECALLS["0.99"], 500)
    assert np.average((intervals[:, 0] <= 0.99) & (intervals[:, 1] >= 0.99), weights=times) > 0.95
    widths = intervals[:, 1] - intervals[:, 0]
    before = squared_distances_width(samples, N_PER_CLASS["25"])
    assert np.average(widths, weights=times) < 0.65 * np.average(before, weights=times)


@pytest.mark.slow
@pytest.mark.parametrize("recalls", RECALLS.values(), ids=RECALLS)
@pytest.mark.parametrize("totals", N_PER_CLASS.values(), ids=N_PER_CLASS)
def test_the_interval_of_a_uar_covers_the_truth_in_95_of_100_samples(totals, recalls):
    """0.935 leaves room for 2,000 samples, whose deviation is 0.005. In width it is at most a third above the
    intervals combined by squares, where those cover too little (5 rows a class), else about theirs or less."""
    samples, times, intervals = intervals_of_samples(totals, recalls, 2000)
    truth = np.mean(recalls)
    covered = (intervals[:, 0] <= truth + 1e-12) & (truth - 1e-12 <= intervals[:, 1])
    assert np.average(covered, weights=times) >= 0.935
    widths = intervals[:, 1] - intervals[:, 0]
    before = squared_distances_width(samples, totals)
    allowed = 1.35 if max(totals) == 5 else 1.15
    assert np.average(widths, weights=times) < allowed * np.average(before, weights=times)


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [1, 2, 3, 8])
def test_any_number_of_classes_is_covered(n_classes):
    rng = np.random.default_rng(n_classes)
    for recall in (0.6, 0.9, 0.98):
        totals = np.geomspace(8, 200, n_classes).astype(int)
        samples = rng.binomial(totals, recall, size=(1000, n_classes)).tolist()
        found = [mean_of_proportions_interval(hits, totals.tolist()) for hits in samples]
        assert np.mean([low <= recall <= high for low, high in found]) >= 0.935, recall
