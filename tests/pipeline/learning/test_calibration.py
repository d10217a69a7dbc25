"""Temperature scaling, against numbers that were derived by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.learning.calibration import TEMPERATURES, Calibration, fit_temperature
from pipeline.learning.probabilities import softmax

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


def test_three_of_four_right_are_trusted_by_three_quarters():
    rows, labels = THREE_OF_FOUR
    assert fit_temperature(rows, labels) == pytest.approx(BEST, rel=1e-9)
    np.testing.assert_allclose(softmax(rows, BEST).max(axis=1), 0.75)


def repeated(times):
    """The four rows, over and over: of 5 folds each has every one of them equally often if `times` is 5, 10..."""
    rows, labels = THREE_OF_FOUR
    return np.tile(rows, (times, 1)), np.tile(labels, times)


def test_a_calibration_tells_what_it_changed():
    """Confidence e / (1 + e) = 0.731059 and accuracy 3 / 4 before, 3 / 4 and 3 / 4 after; one bin holds all rows.
    Every fold is fitted on rows of which 3 / 4 are right, so held back the temperature is the same. Likelihood before:
    (3 ln(1 + 1 / e) + ln(1 + e)) / 4 = (3 * 0.313262 + 1.313262) / 4 = 0.563262; after: the entropy
    -3/4 ln 3/4 - 1/4 ln 1/4 = 0.562335. 20 of confidence 3 / 4: E|S - 15| / 20 = 2 * 15 C(20, 15) (3/4)^15 (1/4)^6 / 20
    = 1.5 * 15504 * 0.0133635 * 0.000244141 = 0.075875."""
    found = Calibration.fit(*repeated(5)).as_json()
    assert found == {
        "temperature": pytest.approx(BEST, rel=1e-9),
        "fitted_temperature": pytest.approx(BEST, rel=1e-9),
        "kept": True,
        "held_back": {
            "folds": 5,
            "nll_before": pytest.approx(0.563262, abs=1e-6),
            "nll_after": pytest.approx(0.562335, abs=1e-6),
            "ece_before": pytest.approx(0.018941, abs=1e-6),
            "ece_after": pytest.approx(0.0, abs=1e-9),
        },
        "ece_before": pytest.approx(0.018941, abs=1e-6),
        "ece_after": pytest.approx(0.0, abs=1e-9),
        "ece_expected": pytest.approx(0.075875, abs=1e-5),
        "n": 20,
        "n_left_out": 0,
        "bins": 15,
    }


def test_a_temperature_that_does_not_help_rows_held_back_is_not_used():
    """Four rows are four folds. Without the wrong one the rest are all right: T = 1. Without a right one two of three
    are right, 1 / T = ln 2, and it has probability 2 / 3: (3 ln 3/2 + ln(1 + e)) / 4 = (1.216395 + 1.313262) / 4."""
    found = Calibration.fit(*THREE_OF_FOUR)
    assert found.temperature == 1.0
    assert not found.kept
    assert found.fitted_temperature == pytest.approx(BEST, rel=1e-9)
    assert found.held_back.nll_before == pytest.approx(0.563262, abs=1e-6)
    assert found.held_back.nll_after == pytest.approx(0.632414, abs=1e-6)
    assert found.ece_after == found.ece_before == pytest.approx(0.018941, abs=1e-6)


def test_a_temperature_that_raises_the_calibration_error_of_rows_held_back_is_not_used():
    """20 rows of confidence 3 / 4, 15 right, and 20 of 0.99, 18 right; five copies of each, one per fold. The error is
    (0 + 0.09) / 2 = 0.045. The labels are likeliest where 1.0986 (p - 0.75) + 4.5951 (q - 0.9) = 0, T = 1.829828 with
    p = 0.645746, q = 0.924925 (-0.114534 + 0.114534 = 0): the error is (0.104254 + 0.024925) / 2 = 0.064590."""
    near, far = [np.log(3), 0.0], [np.log(99), 0.0]
    rows = np.repeat(np.array([near] * 20 + [far] * 20), 5, axis=0)
    labels = np.repeat(np.array([0] * 15 + [1] * 5 + [0] * 18 + [1] * 2), 5)
    found = Calibration.fit(rows, labels)
    assert found.temperature == 1.0
    assert not found.kept
    assert found.held_back.nll_after < found.held_back.nll_before
    assert (found.held_back.ece_before, found.held_back.ece_after) == pytest.approx((0.045, 0.064590), abs=1e-6)


def test_rows_of_a_class_without_train_rows_do_not_move_the_temperature():
    """A third class, 10,000 below the others: a row of it costs 10,000 nats at T = 1, and drives T to 100."""
    rows, labels = repeated(5)
    rows = np.append(rows, np.full((len(rows), 1), -10_000.0), axis=1)
    with_one = np.append(rows, [[1.0, 0.0, -10_000.0]], axis=0), np.append(labels, 2)
    assert fit_temperature(*with_one) == pytest.approx(TEMPERATURES[1], rel=1e-9)
    found = Calibration.fit(*with_one, np.array([True, True, False]))
    assert (found.n, found.n_left_out) == (20, 1)
    assert found.temperature == pytest.approx(BEST, rel=1e-9)


def test_without_a_row_of_a_trained_class_there_is_no_temperature():
    found = Calibration.fit(np.zeros((3, 2)), np.array([1, 1, 1]), np.array([True, False]))
    assert (found.temperature, found.kept, found.n, found.n_left_out) == (1.0, False, 0, 3)
    assert found.ece_after is found.held_back is None


def test_a_single_row_cannot_be_held_back():
    found = Calibration.fit(np.array([[1.0, 0.0]]), np.array([1]))
    assert (found.temperature, found.kept, found.held_back) == (1.0, False, None)


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
