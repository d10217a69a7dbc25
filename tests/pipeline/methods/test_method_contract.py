"""What every method promises. A new method joins by one line in OVERFIT."""

import numpy as np
import pytest
import torch
from memory_source import MemorySource, separable_source, text_for

from pipeline.errors import ConfigError, MismatchError, TrainingError
from pipeline.evaluation import evaluate
from pipeline.labels import EXPRESSIONS
from pipeline.methods import config_class, load_method, method_names
from pipeline.models.packing import pack, unpack

# Options that let a method learn 16 rows by heart in a moment; all else is its default.
OVERFIT = {
    "feature-mask": {"epochs": 40, "lr": 0.01},
    "kefer": {"epochs": 20},
    "linear-probe": {"min_log10_c": -2, "max_log10_c": 2, "refinements": 0},
}


@pytest.fixture(params=method_names())
def name(request):
    return request.param


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny matrices: more threads only wait for each other
    yield
    torch.set_num_threads(before)


def fit(name, source, seed=0, classes=None, **changes):
    method, config = load_method(name), config_class(name)(**OVERFIT[name])
    classes = classes or source.classes
    arguments = {"config": config, "classes": classes, "text": text_for(classes)} | changes
    return method.fit(source, seed=seed, **arguments)


def test_every_method_is_in_this_suite():
    assert set(OVERFIT) == set(method_names())


def test_method_and_config_agree_on_the_name(name):
    method = load_method(name)
    assert (method.name, method.config_class) == (name, config_class(name))


@pytest.mark.parametrize("n_classes", [7, 8])
def test_overfits_16_separable_rows(name, n_classes):
    fitted = fit(name, separable_source(EXPRESSIONS[:n_classes]))
    assert fitted.val.accuracy == 1.0
    assert fitted.head.spec.classes == EXPRESSIONS[:n_classes]


def test_equal_seeds_give_equal_weights(name):
    states = [pack(fit(name, separable_source(n_views=2), seed=5).head)[0] for _ in range(2)]
    assert states[0] == states[1]


def test_other_seeds_give_other_weights_exactly_where_the_method_says_so(name):
    states = [pack(fit(name, separable_source(), seed=seed).head)[0] for seed in (0, 1)]
    assert (states[0] != states[1]) == config_class(name).is_random


def test_fitting_leaves_the_global_generator_alone(name):
    before = torch.random.get_rng_state()
    fit(name, separable_source())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_packed_head_works_without_its_source(name):
    source = separable_source()
    fitted = fit(name, source)
    again = unpack(*pack(fitted.head))
    rows = source.features("val")
    np.testing.assert_array_equal(again.predict(rows), fitted.head.predict(rows))


def test_the_head_is_the_selected_epochs(name):
    source = separable_source()
    source.splits["val"][1][0] = "neutral"  # a wrong label keeps the best score below 1
    fitted = fit(name, source)
    record = fitted.history[fitted.selected_epoch - 1]
    assert record["epoch"] == fitted.selected_epoch
    assert (record["val_accuracy"], record["val_uar"]) == (fitted.val.accuracy, fitted.val.uar)
    assert record["val_accuracy"] == max(row["val_accuracy"] for row in fitted.history)
    assert evaluate(fitted.head, source, "val").scores.accuracy == fitted.val.accuracy


def test_selects_by_uar_on_request(name):
    source = separable_source()
    source.splits["val"][1][:3] = "neutral"
    fitted = fit(name, source, config=config_class(name)(**OVERFIT[name], select_by="uar"))
    assert fitted.val.uar == max(row["val_uar"] for row in fitted.history)


def test_a_class_may_be_absent_from_train(name):
    source = separable_source(absent="disgust")
    fitted = fit(name, source)
    assert fitted.val.accuracy == 1.0
    assert fitted.val.per_class["disgust"] is None
    assert np.isfinite(fitted.head.predict(source.features("val"))).all()


def test_learns_from_a_train_split_of_two_rows(name):
    source = separable_source(n=2)
    assert fit(name, source).val.accuracy == 1.0


def test_the_last_batch_may_be_a_single_row(name):
    options = OVERFIT[name] | ({"batch_size": 5} if "batch_size" in config_class(name).model_fields else {})
    assert fit(name, separable_source(), config=config_class(name)(**options)).val.accuracy == 1.0


def test_half_precision_features_are_learnt_from(name):
    source = separable_source()
    halves = {split: (features.astype(np.float16), labels) for split, (features, labels) in source.splits.items()}
    assert fit(name, MemorySource(halves)).val.accuracy == 1.0


@pytest.mark.parametrize("scale", ["raw", "l2", "standard"])
def test_every_feature_scale_is_learnt_with(name, scale):
    source = separable_source()
    shifted = {split: (features * 0.02 + 1, labels) for split, (features, labels) in source.splits.items()}
    fitted = fit(name, MemorySource(shifted), config=config_class(name)(**OVERFIT[name], feature_scale=scale))
    assert np.isfinite(fitted.history[-1]["loss"])
    assert fitted.head.spec.scale == scale


def test_standard_scale_is_that_of_all_views_of_the_train_split(name):
    source = separable_source(n_views=2)
    fitted = fit(name, source, config=config_class(name)(**OVERFIT[name], feature_scale="standard"))
    rows = source.splits["train"][0].reshape(32, -1)
    np.testing.assert_allclose(fitted.head.scale.mean.numpy(), rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(fitted.head.scale.std.numpy(), rows.std(axis=0), rtol=1e-4)


def test_l2_scale_makes_the_length_of_features_irrelevant(name):
    """To training as to prediction: all features 4 times as long, the same head."""
    config = config_class(name)(**OVERFIT[name], feature_scale="l2")
    source = separable_source()
    longer = MemorySource({split: (4 * features, labels) for split, (features, labels) in source.splits.items()})
    heads = [fit(name, faces, config=config).head for faces in (source, longer)]
    rows = source.features("val")
    expected = heads[0].predict(rows)
    for head in heads:
        np.testing.assert_allclose(head.predict(50 * rows), expected, rtol=1e-3, atol=1e-3)


def test_reads_train_and_val_only_and_every_view_once(name):
    source = separable_source(n_views=3)  # has no test split: reading one is a KeyError
    fit(name, source)
    assert sorted(source.reads) == [("train", 0), ("train", 1), ("train", 2), ("val", 0)]


def test_views_change_what_is_learnt(name):
    plain, viewed = separable_source(n_views=1), separable_source(n_views=3)
    viewed.splits["train"][0][0] = viewed.splits["val"][0][0] = plain.splits["train"][0][0]
    assert pack(fit(name, plain).head)[0] != pack(fit(name, viewed).head)[0]


def test_its_head_refuses_another_width(name):
    head = fit(name, separable_source(width=32)).head
    with pytest.raises(MismatchError, match="width 32, found 31"):
        evaluate(head, separable_source(width=31), "val")


def test_its_head_refuses_another_encoder(name):
    source = separable_source()
    head = fit(name, source).head
    source.encoder = {"family": "fake", "architecture": "median"}
    with pytest.raises(MismatchError, match="architecture: expected 'mean', found 'median'"):
        evaluate(head, source, "val")


def test_labels_outside_the_classes_are_refused_or_dropped_and_counted(name):
    source = separable_source(EXPRESSIONS)
    with pytest.raises(MismatchError, match=r"faces train: .* found also contempt 2 rows"):
        fit(name, source, classes=EXPRESSIONS[:7])
    fitted = fit(name, source, classes=EXPRESSIONS[:7], drop_other_labels=True)
    assert fitted.dropped == {"contempt": 4}
    kept = {
        split: (features[:, labels != "contempt"], labels[labels != "contempt"])
        for split, (features, labels) in source.splits.items()
    }
    assert pack(fitted.head)[0] == pack(fit(name, MemorySource(kept)).head)[0]


def test_no_validation_rows_is_an_error_that_says_what_to_do(name):
    source = separable_source()
    features, labels = source.splits["val"]
    empty = MemorySource({"train": source.splits["train"], "val": (features[:, :0], labels[:0])})
    with pytest.raises(
        TrainingError, match=r"faces val: expected rows to select .* found none\. Give the dataset a val"
    ):
        fit(name, empty)


def test_one_class_alone_is_an_error(name):
    source = separable_source(n=1)
    with pytest.raises(TrainingError, match="rows of two classes, found surprise only"):
        fit(name, source)


def test_a_feature_that_is_not_finite_is_named(name):
    source = separable_source(n_views=2)
    source.splits["train"][0][1, 3, 5] = np.nan
    with pytest.raises(TrainingError, match=r"faces train: .* in 1 rows, first train-3"):
        fit(name, source)


def test_options_of_another_method_are_refused(name):
    other = next(method for method in method_names() if method != name)
    with pytest.raises(ConfigError, match=f"{name}: expected options of"):
        fit(name, separable_source(), config=config_class(other)())


@pytest.mark.parametrize("classes", [("fear",), ("fear", "fear")])
def test_fewer_than_two_different_classes_are_refused(name, classes):
    with pytest.raises(ConfigError, match="two or more different classes"):
        load_method(name).fit(separable_source(), config_class(name)(), classes, 0)


def test_text_is_required_where_the_method_says_so(name):
    method, source = load_method(name), separable_source()
    config = config_class(name)(**OVERFIT[name])
    if not method.needs_text:
        assert method.fit(source, config, source.classes, 0).val.accuracy == 1.0
        return
    with pytest.raises(ConfigError, match="expected text features, found none"):
        method.fit(source, config, source.classes, 0)


def test_progress_is_told_for_every_record_of_the_history(name):
    heard = []
    fitted = fit(name, separable_source(), on_progress=heard.append)
    assert [progress.done for progress in heard] == list(range(1, len(fitted.history) + 1))
