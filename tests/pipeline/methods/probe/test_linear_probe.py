import numpy as np
import pytest
import torch
from memory_source import MemorySource, separable_source
from sklearn.linear_model import LogisticRegression as Reference

from pipeline.errors import ConfigError, TrainingError
from pipeline.learning.method import TrainingInputs
from pipeline.methods.probe.logistic import LogisticRegression
from pipeline.methods.probe.options import LinearProbeConfig
from pipeline.methods.probe.train import LINEAR_PROBE, has_fallen
from pipeline.tables.labels import EXPRESSIONS


def badly_conditioned(n=300, width=12, n_classes=4, seed=0):
    """Overlapping classes; channels differ in scale by 1,000 and all are far from 0."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    features = rng.standard_normal((n, width)) + 0.7 * rng.standard_normal((n_classes, width))[labels]
    return (features * np.geomspace(0.01, 10, width) + 3).astype(np.float32), labels


@pytest.mark.parametrize("c", [0.01, 1.0, 10.0])
def test_the_optimum_is_scikit_learns(c):
    features, labels = badly_conditioned()
    weight, bias, _ = LogisticRegression(torch.tensor(features), torch.tensor(labels), 4).solve(c, 1000)
    reference = Reference(C=c, tol=1e-8, max_iter=20_000).fit(features.astype(np.float64), labels)
    logits, expected = features @ weight.numpy().T + bias.numpy(), reference.decision_function(features)
    # Logits reach 15; 0.02 is what float32 leaves.
    np.testing.assert_allclose(logits - logits.mean(axis=1, keepdims=True), expected, atol=0.02)


def test_the_loss_is_the_penalised_mean():
    """One channel x = +-1 with labels 0 and 1 and a tiny C: W = 0 is best, every row costs ln 2 = 0.693147."""
    problem = LogisticRegression(torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1]), 2)
    assert problem.solve(1e-9, 100)[2] == pytest.approx(0.693147, abs=1e-5)


def test_the_optimum_does_not_depend_on_where_the_search_began():
    features, labels = badly_conditioned()
    path = LogisticRegression(torch.tensor(features), torch.tensor(labels), 4)
    for c in (1e-4, 1e4):
        path.solve(c, 1000)
    warm = path.solve(1.0, 1000)
    cold = LogisticRegression(torch.tensor(features), torch.tensor(labels), 4).solve(1.0, 1000)
    torch.testing.assert_close(warm[0], cold[0], atol=5e-3, rtol=5e-3)
    assert warm[2] == pytest.approx(cold[2], abs=1e-6)


def test_an_absent_class_is_never_predicted():
    features, labels = badly_conditioned(n_classes=2)
    weight, bias, _ = LogisticRegression(torch.tensor(features), torch.tensor(labels * 2), 3).solve(1.0, 100)
    assert not weight[1].any()
    assert bias[1] < -1000
    assert bias[[0, 2]].abs().max() < 1000


def test_an_absent_class_is_below_the_greatest_whatever_the_row():
    """The logits of the present classes sum to 0, so that their greatest is at least 0: no row is too far away."""
    features, labels = badly_conditioned(n_classes=3)
    weight, bias, _ = LogisticRegression(torch.tensor(features), torch.tensor(labels), 4).solve(100.0, 1000)
    far = torch.tensor(1000 * features) @ weight[:3].T + bias[:3]
    assert far.min() < bias[3]  # a present class may well be below it
    assert (far.sum(dim=1).abs() < 0.01 * far.abs().amax(dim=1)).all()
    assert (far.amax(dim=1) > 0).all()


def test_a_validation_row_of_a_class_without_train_rows_leaves_the_temperature_alone():
    """Such a row is 10,000 below every other class, and drove the temperature to 100."""
    source = overlapping_source()
    features, labels = source.splits["val"]
    labels = labels.copy()
    labels[0] = "neutral"
    other = MemorySource(source.splits | {"val": (features, labels)})
    before, after = fit(MemorySource(source.splits | {"val": (features[:, 1:], labels[1:])})), fit(other)
    assert after.calibration.temperature == before.calibration.temperature < 10
    assert (before.calibration.n_left_out, after.calibration.n_left_out) == (0, 1)
    assert after.diagnostics["no_train_rows"] == ["sadness", "anger", "neutral"]


def test_features_too_large_for_float32_are_an_error_that_names_the_scale():
    with pytest.raises(TrainingError, match=r"found features up to 1e\+30\. Use feature_scale"):
        LogisticRegression(torch.tensor([[1e30], [-1e30]]), torch.tensor([0, 1]), 2)


def overlapping_source():
    features, labels = badly_conditioned(n_classes=4)
    names = np.array(EXPRESSIONS)[labels]
    return MemorySource({"train": (features[None, :200], names[:200]), "val": (features[None, 200:], names[200:])})


def fit(source, **options):
    return LINEAR_PROBE.fit(TrainingInputs(source, source.classes), LinearProbeConfig(**options), 0)


def tried(**options):
    return fit(overlapping_source(), **options)


def test_the_search_goes_over_powers_of_ten_then_halves_its_step():
    fitted = tried(patience=7)
    powers = [record["log10_c"] for record in fitted.history]
    assert powers[:7] == [-6, -4, -2, 0, 2, 4, 6]
    coarse = powers[int(np.argmax([record["val_accuracy"] for record in fitted.history[:7]]))]
    assert set(powers[7:9]) <= {coarse - 1, coarse + 1}
    assert len(powers) == len(set(powers))
    assert all(-6 <= power <= 6 for power in powers)
    assert min(abs(power - fitted.history[fitted.selected_epoch - 1]["log10_c"]) for power in powers[-2:]) <= 0.25


@pytest.mark.parametrize(
    ("scores", "fallen"),
    [
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.4], True),
        ([0.5, 0.5, 0.5], False),  # a plateau, such as that of the most frequent class, is no fall
        ([0.5, 0.4, 0.5], False),
        ([0.5, 0.4, 0.6], False),
    ],
)
def test_scores_have_fallen_when_two_in_a_row_are_below_the_best(scores, fallen):
    assert has_fallen(scores, patience=2) is fallen
    assert has_fallen(scores, patience=3) is False


def test_ending_early_leaves_weak_penalties_out_and_nothing_else():
    early, whole = tried(refinements=0, patience=1), tried(refinements=0, patience=7)
    n = len(early.history)
    assert n < len(whole.history)
    assert early.history == whole.history[:n]
    assert early.selected_epoch == whole.selected_epoch


def test_of_equal_scores_the_first_tried_wins():
    fitted = fit(separable_source(), refinements=0)
    scores = [record["val_accuracy"] for record in fitted.history]
    assert scores.count(1.0) > 1
    assert fitted.selected_epoch == scores.index(1.0) + 1


def test_the_bounds_of_the_search_are_kept():
    powers = [record["log10_c"] for record in tried(min_log10_c=-1, max_log10_c=1, refinements=2).history]
    assert powers[:2] == [-1, 1]
    assert all(-1 <= power <= 1 for power in powers)


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match="found 2 > 1"):
        tried(min_log10_c=2, max_log10_c=1)


def test_the_last_c_is_no_choice():
    with pytest.raises(ConfigError, match=r"expected select_by accuracy or uar.*found last.*Use accuracy"):
        tried(select_by="last")


def test_uar_chooses_c_where_it_is_asked_to():
    """Six of seven rows are of one class: always that class has the best accuracy, and a UAR of one third."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(300) < 0.85, 0, rng.integers(1, 3, 300))
    features = (rng.standard_normal((300, 8)) + 0.5 * np.eye(8)[labels]).astype(np.float32)
    names = np.array(EXPRESSIONS)[labels]
    source = MemorySource({"train": (features[None, :200], names[:200]), "val": (features[None, 200:], names[200:])})
    by_accuracy, by_uar = (fit(source, refinements=0, patience=7, select_by=score) for score in ("accuracy", "uar"))
    assert by_accuracy.val.uar == pytest.approx(1 / 3)
    assert by_uar.val.uar == max(record["val_uar"] for record in by_uar.history) > 0.36


def test_every_view_counts_as_a_row():
    """Two views of one row each, one of them noise-free: the problem has twice the rows."""
    viewed = separable_source(n=14, n_views=2)
    features, labels = viewed.splits["train"]
    stacked = MemorySource(
        {"train": (features.reshape(1, 28, -1), np.concatenate([labels, labels])), "val": viewed.splits["val"]}
    )
    heads = [fit(source, refinements=0).head for source in (viewed, stacked)]
    rows = {"pooled": viewed.features("val")}
    np.testing.assert_array_equal(heads[0].predict(rows), heads[1].predict(rows))
