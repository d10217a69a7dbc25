"""`stages.sklearn`: heads as scikit-learn's estimators, and the same heads as `fer-stage train`."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import cache
import stages
import stages.sklearn
from pipeline.errors import PipelineError
from pipeline.learning.options import CLIP_OPTIONS
from pipeline.methods import config_class, load_method
from pipeline.predict.saved import read_saved
from stages.estimators.rows import held_back_rows
from stages.sklearn import (
    CocoopClassifier,
    FeatureMaskClassifier,
    HeadClassifier,
    KeferClassifier,
    LinearProbeClassifier,
    MetdClassifier,
    ZeroShotClassifier,
)

ESTIMATORS = [getattr(stages.sklearn, name) for name in stages.sklearn.__all__ if name != "HeadClassifier"]
PROBE: dict[str, Any] = {"min_log10_c": -2, "max_log10_c": 2, "refinements": 0}
MASK: dict[str, Any] = {"epochs": 4, "lr": 0.03, "hidden": 8, "batch_size": 16}

_TOO_NARROW = "feature-mask gives each class a channel of its own: the check has fewer features than classes"
_NO_DIRECTION = "the check has a row of zeros: no encoder gives one, and `train` refuses it too"
EXPECTED_FAILURES = {
    "feature-mask": {
        "check_estimators_dtypes": _NO_DIRECTION,
        "check_estimators_overwrite_params": _TOO_NARROW,
        "check_estimators_fit_returns_self": _TOO_NARROW,
        "check_readonly_memmap_input": _TOO_NARROW,
        "check_classifiers_classes": _TOO_NARROW,
        "check_classifiers_train": _TOO_NARROW,
        "check_fit2d_1feature": _TOO_NARROW,
    },
    "linear-probe": {"check_estimators_dtypes": _NO_DIRECTION},
}


def expected_failures(estimator: Any) -> dict[str, str]:
    return EXPECTED_FAILURES.get(getattr(estimator, "method", ""), {})


@parametrize_with_checks(
    [
        FeatureMaskClassifier(**MASK),
        LinearProbeClassifier(**PROBE),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimators_pass_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


# The same checks with more features, of which one is 1 in every row. A pipeline fits its steps: it always changes them.
WIDER = make_pipeline(StandardScaler(), PolynomialFeatures(2), FeatureMaskClassifier(**MASK))
LEFT_OUT = set(EXPECTED_FAILURES["feature-mask"]) - {"check_estimators_overwrite_params"}


@pytest.mark.parametrize(
    "check",
    [check for _, check in estimator_checks_generator(WIDER) if check.func.__name__ in LEFT_OUT],
    ids=lambda check: check.func.__name__,
)
def test_feature_mask_passes_the_others_where_features_are_wide_enough(check: Any) -> None:
    check(clone(WIDER))


# The others need text or an encoder, which no check has: these are the checks that come before that is missed.
WITHOUT_TEXT = (
    "check_complex_data",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
)


@pytest.mark.parametrize(
    "estimator",
    [one() for one in ESTIMATORS if one not in (FeatureMaskClassifier, LinearProbeClassifier)],
    ids=lambda estimator: estimator.method,
)
def test_estimators_that_need_text_pass_the_checks_that_fit_none(estimator: HeadClassifier) -> None:
    checks = {check.func.__name__: check for _, check in estimator_checks_generator(estimator)}
    assert set(WITHOUT_TEXT) <= set(checks)
    for name in WITHOUT_TEXT:
        checks[name](clone(estimator))


def blobs(n: int = 60, width: int = 6, classes: tuple[Any, ...] = ("a", "b", "c")) -> tuple[Any, npt.NDArray[Any]]:
    """Noise around one far-apart centre per class."""
    rng = np.random.default_rng(0)
    codes = np.arange(n) % len(classes)
    centres = 4 * rng.standard_normal((len(classes), width))
    return (centres[codes] + rng.standard_normal((n, width))).astype(np.float32), np.array(classes)[codes]


def test_there_is_an_estimator_for_each_method_that_learns_from_one_feature() -> None:
    assert {estimator.method for estimator in ESTIMATORS} == {
        *("cocoop", "coop", "feature-mask", "kefer", "linear-probe", "metd", "zero-shot")
    }


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.method)
def test_parameters_are_the_options_of_the_method_with_their_defaults(estimator: type[HeadClassifier]) -> None:
    config = config_class(estimator.method)
    parameters = estimator().get_params()
    own = {"validation_fraction", "random_state", "device", "text", "encoder"}
    assert {name: value for name, value in parameters.items() if name not in own} == config().model_dump(
        exclude=set(CLIP_OPTIONS)
    )
    assert ("text" in parameters, "encoder" in parameters) == (config.needs_text, config.needs_encoder is True)
    assert load_method(estimator.method).config_class is estimator.config_class
    assert all(f"{name} : default" in (inspect.getdoc(estimator) or "") for name in set(parameters) - own)


def rows_of(project: Path, split: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.str_]]:
    store = cache.open(project / "features/untrained/sample-a.zarr")
    return store.features(split), store.labels(split)


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        (FeatureMaskClassifier, {"epochs": 3, "lambda_sep": 0.5}),
        (LinearProbeClassifier, PROBE),
        (KeferClassifier, {"epochs": 2}),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_the_same_rows_seed_and_options_give_the_head_of_train(
    estimator: type[HeadClassifier], options: dict[str, Any], project: Path
) -> None:
    run = stages.train(estimator.method, "sample-a", seeds=3, options=options).runs[0]
    saved = read_saved(run.folder)
    text = {"text": next(project.glob("features/untrained/text/*.npz"))} if estimator is KeferClassifier else {}
    head = estimator(random_state=3, **options, **text)
    head.fit(*rows_of(project, "train"), *rows_of(project, "val"))
    X, _ = rows_of(project, "test")
    trained = saved.build().predict({"pooled": X})  # columns in the order of saved.classes
    np.testing.assert_array_equal(head.predict(X), np.array(saved.classes)[trained.argmax(axis=1)])
    order = [saved.classes.index(name) for name in head.classes_]
    np.testing.assert_array_equal(head.decision_function(X), trained[:, order])
    assert (head.temperature_, head.selected_epoch_) == (saved.temperature, run.record.selected_epoch)
    assert head.validation_scores_["uar"] == pytest.approx(run.record.val.uar, abs=1e-6)


def test_a_head_stands_in_a_pipeline_in_cross_validation_and_in_a_grid_search() -> None:
    X, y = blobs()
    head = make_pipeline(StandardScaler(), FeatureMaskClassifier(random_state=0, **{**MASK, "epochs": 15}))
    assert cross_val_score(head, X, y, cv=3).mean() > 0.8  # by chance 0.33
    # np.logspace and np.array give numpy's numbers; options are Python's.
    grid = {"featuremaskclassifier__lr": np.logspace(-2, -1, 2), "featuremaskclassifier__epochs": np.array([1, 4])}
    search = GridSearchCV(clone(head), grid, cv=2, error_score="raise").fit(X, y)
    assert set(search.best_params_) == set(grid)
    assert search.predict(X).tolist() == search.best_estimator_.predict(X).tolist()


@pytest.mark.parametrize("classes", [("joy", "grief", "rage"), (7, -1, 30), (False, True), (0.0, 2.0)], ids=str)
def test_labels_may_be_of_any_kind(classes: tuple[Any, ...]) -> None:
    X, y = blobs(classes=classes)
    head = LinearProbeClassifier(**PROBE).fit(X, y)
    assert head.classes_.tolist() == sorted(classes)
    predicted = head.predict(X)
    assert predicted.dtype == y.dtype
    assert (predicted == y).mean() > 0.95
    np.testing.assert_array_equal(head.classes_[head.predict_proba(X).argmax(axis=1)], predicted)


def test_two_classes_have_one_decision_whose_sign_is_the_label() -> None:
    X, y = blobs(classes=("no", "yes"))
    decisions = (head := LinearProbeClassifier(**PROBE).fit(X, y)).decision_function(X)
    assert decisions.shape == (60,)
    assert ((decisions > 0) == (head.predict(X) == "yes")).all()


def test_a_share_of_each_class_is_held_back_and_a_single_row_is_learned_from() -> None:
    codes = np.array([0] * 20 + [1] * 4 + [2] * 2 + [3])
    held_back = held_back_rows(codes, 0.25, 0)
    # 0.25 * 20 = 5, 0.25 * 4 = 1, 0.25 * 2 = 0.5: at least 1; one row: none.
    assert np.bincount(codes[held_back], minlength=4).tolist() == [5, 1, 1, 0]
    np.testing.assert_array_equal(held_back, held_back_rows(codes, 0.25, 0))
    assert (held_back != held_back_rows(codes, 0.25, 1)).any()
    assert np.bincount(codes[held_back_rows(codes, 0.99, 0)], minlength=4).tolist() == [19, 3, 1, 0]


def test_rows_that_are_held_back_are_not_learned_from() -> None:
    X, y = blobs()
    held_back = held_back_rows(np.unique(y, return_inverse=True)[1], 0.1, 5)
    drawn = LinearProbeClassifier(random_state=5, **PROBE).fit(X, y)
    given = LinearProbeClassifier(random_state=5, **PROBE).fit(X[~held_back], y[~held_back], X[held_back], y[held_back])
    np.testing.assert_array_equal(drawn.predict_proba(X), given.predict_proba(X))


@pytest.mark.parametrize(
    "estimator",
    [
        MetdClassifier(encoder="mini", epochs=1, tokens=1, descriptors=1, random_state=0),
        CocoopClassifier(encoder="mini", epochs=1, batch_size=64, random_state=0),
        ZeroShotClassifier(text={"anger": np.eye(512)[0], "fear": np.eye(512)[1]}),
        FeatureMaskClassifier(epochs=1, random_state=0),
    ],
    ids=lambda estimator: estimator.method,
)
def test_a_fitted_head_is_the_same_after_pickling(estimator: HeadClassifier) -> None:
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((14, 512)).astype(np.float32), np.array(["anger", "fear"] * 7)
    data = pickle.dumps(estimator.fit(X, y))
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert len(data) < 2_000_000  # no encoder is in it
    with pytest.raises(NotFittedError):
        pickle.loads(pickle.dumps(clone(estimator))).predict(X)


def test_a_fit_that_fails_leaves_no_head_of_other_classes() -> None:
    """Else `predict` would give the one label of the second fit for every row."""
    X, y = blobs()
    head = LinearProbeClassifier(**PROBE).fit(X, y)
    with pytest.raises(ValueError, match="found 1 class"):
        head.fit(X, ["a"] * len(X))
    with pytest.raises(NotFittedError):
        head.predict(X)


def test_zero_shot_takes_the_nearest_vector_of_the_text() -> None:
    X = np.array([[3.0, 1.0], [1.0, 2.0], [5.0, 0.5], [0.1, 1.0]])
    y = np.array(["east", "north", "east", "north"])
    head = ZeroShotClassifier(text={"north": [0.0, 1.0], "east": [1.0, 0.0]}).fit(X, y)
    assert head.predict(X).tolist() == y.tolist()
    # At temperature 0.01 the logits are 100 cosines: of the first row 3 / sqrt(10) and 1 / sqrt(10).
    assert head.decision_function(X)[0] == pytest.approx(100 * (1 - 3) / np.sqrt(10), rel=1e-5)


@pytest.mark.parametrize(
    ("estimator", "changes", "problem"),
    [
        (FeatureMaskClassifier(epochs=0), {}, r"FeatureMaskClassifier: 1 problem\n  epochs: .* found 0"),
        (FeatureMaskClassifier(targets="distribution"), {}, "expected targets 'labels'"),
        (KeferClassifier(backbone="small"), {}, "expected options of a method on one feature, found .* pixels"),
        (LinearProbeClassifier(validation_fraction=1), {}, "validation_fraction: expected a number between 0 and 1"),
        (LinearProbeClassifier(random_state=-1), {}, "Seed must be between 0"),
        (LinearProbeClassifier(), {"y": ["a"] * 60}, "found 1 class: "),
        (LinearProbeClassifier(), {"X_val": np.ones((2, 6))}, "expected X_val and y_val, or neither"),
        (LinearProbeClassifier(), {"X_val": np.ones((1, 6)), "y_val": ["d"]}, "labels that y has, found 'd' too"),
        (LinearProbeClassifier(), {"X_val": np.ones((1, 5)), "y_val": ["a"]}, "X has 5 features, but .* expecting 6"),
        (LinearProbeClassifier(), {"X_val": np.zeros((1, 6)), "y_val": ["a"]}, "length zero, first row 0 of X_val"),
        (LinearProbeClassifier(), {"X": np.eye(6), "y": np.arange(6)}, "a class with 2 rows or more"),
        (MetdClassifier(encoder="mini"), {}, "X: expected features of mini, which have 512 numbers each, found 6"),
        (ZeroShotClassifier(text={}), {}, "text: expected a vector of one length for each label, found shapes none"),
        (ZeroShotClassifier(text={"a": [1.0], "b": [1.0, 2.0]}), {}, r"found shapes 'a' \(1,\), 'b' \(2,\)"),
    ],
)
def test_what_cannot_be_used_is_named(estimator: HeadClassifier, changes: dict[str, Any], problem: str) -> None:
    X, y = blobs()
    with pytest.raises(ValueError, match=problem):
        estimator.fit(**{"X": X, "y": y, **changes})


@pytest.mark.parametrize(
    ("estimator", "problem"),
    [
        (KeferClassifier(), "kefer: expected text features, found none"),
        (MetdClassifier(), "metd: expected the encoder of the features, found none"),
        (KeferClassifier(text={"a": np.ones(4), "b": np.ones(4)}), "expected vectors of a, b, c, found none of c"),
    ],
)
def test_what_a_method_needs_beside_features_is_named(estimator: HeadClassifier, problem: str) -> None:
    with pytest.raises(PipelineError, match=problem):
        estimator.fit(*blobs())
