import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from pipeline.errors import InputError, LabelError, MismatchError
from pipeline.learning.metrics import (
    METRICS,
    Metric,
    accuracy_score,
    confusion_matrix,
    per_class_recall,
    score,
    uar_score,
)

CLASSES = ("surprise", "fear", "disgust")
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def test_confusion_rows_are_true_classes():
    """Two rows of class 0, one of them called 2; one row of class 1, called 0."""
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 0]), 3)
    assert confusion.tolist() == [[1, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_uar_is_the_mean_recall_of_the_classes_present():
    """Class 0: 3 of 4, class 1: 0 of 1, class 2 absent: UAR = (0.75 + 0) / 2, accuracy = 3 / 5."""
    confusion = np.array([[3, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert uar_score(confusion) == 0.375
    assert accuracy_score(confusion) == 0.6
    np.testing.assert_array_equal(per_class_recall(confusion), [0.75, 0.0, np.nan])


def test_scores_of_no_row_are_nan():
    empty = np.zeros((3, 3), dtype=np.int64)
    assert np.isnan([accuracy_score(empty), uar_score(empty)]).all()


def test_score_as_json_is_plain_and_complete():
    """Two rows of surprise, one right; one of fear, right. Logits 0 and ln 4 give confidence 4 / 6 in every row:
    ECE = |2 - 3 * 2/3| / 3 = 0. At temperature 2 they are 0 and ln 2, confidence 2 / 4:
    ECE = |2 - 3 / 2| / 3 = 1 / 6. Were each right with chance 1/2: off by 1.5, 0.5, 0.5, 1.5 with chances 1, 3, 3, 1
    of 8, 0.75 / 3."""
    high = np.log(4.0)
    logits = np.array([[high, 0, 0], [0, high, 0], [0, high, 0]])
    found = score(logits, np.array(["surprise", "surprise", "fear"]), CLASSES, 2.0).as_json()
    assert found == {
        "n": 3,
        "accuracy": pytest.approx(2 / 3),
        "uar": 0.75,
        "per_class": {"surprise": 0.5, "fear": 1.0, "disgust": None},
        "support": {"surprise": 2, "fear": 1, "disgust": 0},
        "ece": pytest.approx(1 / 6),
        "ece_expected": pytest.approx(0.25),
        "ece_uncalibrated": pytest.approx(0.0),
        "ci95": {"accuracy": pytest.approx([0.207655, 0.938510], abs=1e-5), "uar": found["ci95"]["uar"]},
        "confusion": [[1, 1, 0], [0, 1, 0], [0, 0, 0]],
    }
    assert found["ci95"]["uar"][0] < 0.75 < found["ci95"]["uar"][1]


@pytest.mark.parametrize(
    ("logits", "labels", "error", "words"),
    [
        (np.zeros((2, 3)), ["fear"], MismatchError, r"expected shape \(1 labels, 3 classes\), found \(2, 3\)"),
        (np.zeros((0, 3)), [], InputError, "at least one row"),
        (np.full((1, 3), np.nan), ["fear"], InputError, "finite"),
        (np.zeros((1, 3)), ["neutral"], LabelError, "neutral"),
    ],
)
def test_score_refuses_what_cannot_be_scored(logits, labels, error, words):
    with pytest.raises(error, match=words):
        score(logits, np.array(labels, dtype=np.str_), CLASSES)


@given(pairs)
def test_scores_do_not_depend_on_the_order_of_rows(rows):
    truth, predicted = np.array(rows).T
    forward, backward = confusion_matrix(truth, predicted, 4), confusion_matrix(truth[::-1], predicted[::-1], 4)
    np.testing.assert_array_equal(forward, backward)
    assert forward.sum() == len(rows)
    assert 0 <= uar_score(forward) <= 1


@given(pairs)
def test_uar_is_accuracy_where_every_class_has_as_many_rows(rows):
    predicted = np.array([guess for _, guess in rows] * 4)
    truth = np.repeat(np.arange(4), len(rows))
    confusion = confusion_matrix(truth, predicted, 4)
    assert uar_score(confusion) == pytest.approx(accuracy_score(confusion))


@given(pairs)
def test_counts_and_recalls_are_those_of_scikit_learn_to_the_last_bit(rows):
    truth, predicted = np.array(rows).T
    confusion, labels = confusion_matrix(truth, predicted, 4), range(4)
    np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(truth, predicted, labels=labels))
    recalls = sklearn_metrics.recall_score(truth, predicted, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_array_equal(per_class_recall(confusion), recalls)
    assert accuracy_score(confusion) == sklearn_metrics.accuracy_score(truth, predicted)
    assert uar_score(confusion) == recalls[~np.isnan(recalls)].mean()


@given(pairs)
def test_uar_is_balanced_accuracy_where_only_classes_with_rows_are_predicted(rows):
    truth, predicted = np.array([*rows, (0, 0), (1, 1)]).T  # of one class alone scikit-learn warns
    predicted = np.where(np.isin(predicted, truth), predicted, truth)
    expected = sklearn_metrics.balanced_accuracy_score(truth, predicted)
    assert uar_score(confusion_matrix(truth, predicted, 4)) == expected


def test_balanced_accuracy_of_scikit_learn_warns_where_a_class_without_rows_is_predicted():
    """Class 0: 1 of 2; class 1 has no row: UAR is 0.5."""
    truth, predicted = np.array([0, 0]), np.array([0, 1])
    assert uar_score(confusion_matrix(truth, predicted, 2)) == 0.5
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        sklearn_metrics.balanced_accuracy_score(truth, predicted)


def test_every_metric_is_a_fraction_with_its_interval_around_it():
    confusion = np.array([[3, 1, 0], [1, 0, 0], [0, 0, 0]])
    for name, metric in METRICS.items():
        value = metric.score(confusion)
        low, high = metric.interval(confusion) if metric.interval else (value, value)
        assert 0 <= low <= value <= high <= 1, name


def test_the_better_score_has_the_higher_rank():
    error = Metric("error", lambda confusion: 1 - accuracy_score(confusion), "", higher_is_better=False)
    assert error.rank(0.1) > error.rank(0.2)
    assert METRICS["uar"].rank(0.2) > METRICS["uar"].rank(0.1)
    assert (error.title, METRICS["uar"].title) == ("Error", "UAR")
