"""Softmax and calibration error, against numbers that were derived by hand."""

import numpy as np
import pytest

from pipeline.learning.probabilities import expected_calibration_error, expected_ece, softmax


def test_softmax_of_large_logits_stays_finite():
    """softmax(1000, 1000 - ln 3) = (3/4, 1/4)."""
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0 - np.log(3)]])), [[0.75, 0.25]])


def test_temperature_divides_the_logits():
    """softmax((0, ln 9) / 2) = softmax(0, ln 3) = (1/4, 3/4)."""
    np.testing.assert_allclose(softmax(np.array([[0.0, np.log(9)]]), 2.0), [[0.25, 0.75]])


def test_calibration_error_of_four_rows():
    """Bin (13/15, 14/15]: confidences 0.9 and 0.9, one right: |1 - 1.8| = 0.8.
    Bin (8/15, 9/15]: 0.6 and 0.55, both right: |2 - 1.15| = 0.85. Sum 1.65, over 4 rows 0.4125."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.45, 0.55]])
    assert expected_calibration_error(probabilities, np.array([0, 1, 0, 1])) == pytest.approx(0.4125)


def test_a_confidence_between_two_bins_belongs_to_the_lower_one():
    """0.6 = 9 / 15 and 0.55, one right: both in (8/15, 9/15], |1 - 1.15| over 2 rows."""
    probabilities = np.array([[0.6, 0.4], [0.55, 0.45]])
    assert expected_calibration_error(probabilities, np.array([0, 1])) == pytest.approx(0.075)


def test_calibration_error_in_one_bin_is_the_gap_of_the_means():
    """The same rows: accuracy 3 / 4, mean confidence 2.95 / 4: |3 - 2.95| / 4 = 0.0125."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.45, 0.55]])
    assert expected_calibration_error(probabilities, np.array([0, 1, 0, 1]), bins=1) == pytest.approx(0.0125)


def test_certain_and_right_is_perfectly_calibrated():
    assert expected_calibration_error(np.eye(2), np.array([0, 1])) == 0.0


def test_the_expected_error_of_one_row():
    """Right with chance 0.9, then off by 0.1; else wrong and off by 0.9: 2 * 0.9 * 0.1 = 0.18."""
    assert expected_ece(np.array([0.9])) == pytest.approx(0.18)


def test_the_expected_error_of_two_rows_in_one_bin():
    """0.6 and 0.55, sum 1.15. None, one or both right: chances 0.18, 0.49, 0.33, off by 1.15, 0.15, 0.85:
    (0.207 + 0.0735 + 0.2805) / 2 = 0.2805, in either order."""
    assert expected_ece(np.array([0.6, 0.55])) == pytest.approx(0.2805)
    assert expected_ece(np.array([0.55, 0.6])) == pytest.approx(0.2805)


def test_the_expected_error_of_two_rows_in_two_bins():
    """0.9 alone 0.18, 0.6 alone 2 * 0.6 * 0.4 = 0.48: half of 0.66."""
    assert expected_ece(np.array([0.9, 0.6])) == pytest.approx(0.33)


def test_three_rows_and_a_bin_of_odd_size():
    """Three of chance 3 / 4, sum 2.25: chances of 0 to 3 right 1, 9, 27, 27 of 64, off by 2.25, 1.25, 0.25, 0.75:
    (2.25 + 11.25 + 6.75 + 20.25) / 64 / 3 = 0.210938."""
    assert expected_ece(np.full(3, 0.75)) == pytest.approx(0.210938, abs=1e-6)


def test_certain_rows_have_no_expected_error():
    assert expected_ece(np.ones(5)) == pytest.approx(0.0, abs=1e-12)


def test_the_expected_error_of_many_rows_is_that_of_the_normal_distribution():
    """100,000 of chance 0.97: sqrt(2 * 0.97 * 0.03 / (pi * 100,000)) = 0.000430414."""
    assert expected_ece(np.full(100_000, 0.97)) == pytest.approx(0.000430414, rel=1e-4)


@pytest.mark.parametrize("n", [20, 120])
def test_labels_drawn_from_the_probabilities_have_the_expected_error_on_average(n):
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.standard_normal((n, 7)))
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    errors = [
        expected_calibration_error(probabilities, np.where(rng.random(n) < confidence, predicted, (predicted + 1) % 7))
        for _ in range(3000)
    ]
    assert expected_ece(confidence) == pytest.approx(np.mean(errors), abs=4 * np.std(errors) / np.sqrt(3000))
