"""Temperature scaling and calibration error, against numbers that were derived by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calibration import (
    TEMPERATURES,
    Calibration,
    expected_calibration_error,
    fit_temperature,
    softmax,
)
from pipeline.errors import InputError

# Two classes, one logit apart, three of four rows right: the best probability of the upper class is 3 / 4, and
# softmax(0, 1 / T) has it at 1 / T = ln 3.
THREE_OF_FOUR = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0, 0, 1, 1])
BEST = 1 / np.log(3)

logits = st.integers(2, 5).flatmap(
    lambda n_classes: st.lists(
        st.lists(st.floats(-8, 8, width=32), min_size=n_classes, max_size=n_classes), min_size=2, max_size=12
    )
)


def negative_log_likelihood(rows, labels, temperature):
    return -np.log(softmax(rows, temperature)[np.arange(len(labels)), labels]).mean()


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


def test_three_of_four_right_are_trusted_by_three_quarters():
    rows, labels = THREE_OF_FOUR
    assert fit_temperature(rows, labels) == pytest.approx(BEST, rel=1e-9)
    np.testing.assert_allclose(softmax(rows, BEST).max(axis=1), 0.75)


def test_a_calibration_tells_what_it_changed():
    """Confidence e / (1 + e) = 0.731059 and accuracy 3 / 4 before, 3 / 4 and 3 / 4 after; one bin holds all rows."""
    found = Calibration.fit(*THREE_OF_FOUR).as_json()
    assert found == {
        "temperature": pytest.approx(BEST, rel=1e-9),
        "ece_before": pytest.approx(0.018941, abs=1e-6),
        "ece_after": pytest.approx(0.0, abs=1e-9),
        "n": 4,
        "bins": 15,
    }


@pytest.mark.parametrize("factor", [0.1, 7.0])
def test_the_temperature_follows_the_scale_of_the_logits(factor):
    rows, labels = THREE_OF_FOUR
    assert fit_temperature(factor * rows, labels) == pytest.approx(factor * BEST, rel=1e-9)


def test_float32_logits_give_the_same_temperature():
    rows, labels = THREE_OF_FOUR
    assert fit_temperature(rows.astype(np.float32), labels) == pytest.approx(BEST, rel=1e-9)


def test_rows_that_are_all_right_say_nothing_of_how_sure_to_be():
    assert fit_temperature(np.array([[2.0, 1.0], [0.0, 5.0]]), np.array([0, 1])) == 1.0


def test_rows_that_are_all_alike_say_nothing_either():
    assert fit_temperature(np.zeros((3, 2)), np.array([0, 1, 1])) == 1.0


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        ([[1.0, 0.0], [1.0, 0.0]], 1),  # one of two right: as good as chance
        ([[1e-6, 0.0], [1e-6, 0.0], [1e-6, 0.0]], 0),  # two of three right: 1 / T = ln 2 / 1e-6
    ],
    ids=["no better than chance", "hardly apart"],
)
def test_the_temperature_stays_between_its_ends(rows, end):
    labels = np.array([0, 1, 0][: len(rows)])
    assert fit_temperature(np.array(rows), labels) == pytest.approx(TEMPERATURES[end], rel=1e-9)


@pytest.mark.parametrize(
    ("rows", "words"), [(np.zeros((0, 2)), "found no row"), (np.array([[np.nan, 0.0]]), "NaN or infinity")]
)
def test_what_cannot_be_calibrated_is_refused(rows, words):
    with pytest.raises(InputError, match=words):
        fit_temperature(rows, np.zeros(len(rows), dtype=np.int64))


@given(logits, st.randoms(use_true_random=False))
def test_no_temperature_between_the_ends_makes_the_labels_more_likely(rows, random):
    rows = np.array(rows, dtype=np.float32)
    labels = np.array([random.randrange(rows.shape[1]) for _ in rows])
    found = fit_temperature(rows, labels)
    if (rows[np.arange(len(rows)), labels] == rows.max(axis=1)).all():
        assert found == 1.0
        return
    best = negative_log_likelihood(rows, labels, found)
    for other in (TEMPERATURES[0], 0.3, 0.98 * found, 1.0, 1.02 * found, 3.0, TEMPERATURES[1]):
        if TEMPERATURES[0] <= other <= TEMPERATURES[1]:
            with np.errstate(divide="ignore"):  # a temperature at which a label is impossible
                assert best <= negative_log_likelihood(rows, labels, other) + 1e-9


@given(logits, st.floats(*TEMPERATURES))
def test_the_temperature_never_changes_what_is_predicted(rows, temperature):
    rows = np.array(rows, dtype=np.float32)
    probabilities = softmax(rows, temperature)
    chosen = np.take_along_axis(probabilities, rows.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(chosen, probabilities.max(axis=1))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
