import numpy as np
import pytest

from pipeline.statistics import mean_of_proportions_interval, wilson_interval


def test_wilson_interval_of_8_in_10():
    """z = 1.959964, z^2 = 3.841459: centre (0.8 + 0.192073) / 1.384146 = 0.716740, half width
    1.416010 * sqrt(0.016 + 0.009603647) = 0.226577."""
    assert wilson_interval(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)


def test_wilson_interval_has_a_width_when_every_or_no_row_is_right():
    """All right: from n / (n + z^2) = 10 / 13.841459 = 0.722467 to 1. None right is its mirror."""
    assert wilson_interval(10, 10) == pytest.approx((0.722467, 1.0), abs=1e-5)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-5)


def test_interval_of_a_mean_of_two_proportions():
    """8 / 10 in [0.490162, 0.943318] and 10 / 10 in [0.722467, 1]; the mean is 0.9. Below it
    sqrt(0.309838^2 + 0.277533^2) / 2 = 0.207981, above it sqrt(0.143318^2 + 0) / 2 = 0.071659."""
    assert mean_of_proportions_interval([8, 10], [10, 10]) == pytest.approx((0.692019, 0.971659), abs=1e-5)


def test_interval_of_a_mean_of_one_is_its_wilson_interval():
    assert mean_of_proportions_interval([3], [7]) == pytest.approx(wilson_interval(3, 7))


def test_interval_of_a_uar_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    recalls, totals = np.array([0.95, 0.8, 0.6, 0.4, 0.7, 0.5, 0.9]), [300, 40, 20, 60, 100, 30, 250]
    intervals = [mean_of_proportions_interval(rng.binomial(totals, recalls).tolist(), totals) for _ in range(2000)]
    covered = np.mean([low <= recalls.mean() <= high for low, high in intervals])
    assert 0.93 < covered < 0.98
