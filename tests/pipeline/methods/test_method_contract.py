"""What every method promises. A new method joins by one line in OVERFIT."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from memory_clips import source_for
from memory_source import text_for
from overfit import OVERFIT
from tiny_encoder import tiny_encoder

from pipeline.errors import ConfigError, MismatchError, TrainingError
from pipeline.learning.calibration import Calibration
from pipeline.learning.clip_arrays import clip_arrays
from pipeline.learning.clips import ClipSampler, stored_output
from pipeline.learning.evaluation import evaluate
from pipeline.learning.method import TrainingInputs
from pipeline.methods import config_class, load_method, method_names
from pipeline.methods.packing import pack, unpack
from pipeline.sources import ClipSource
from pipeline.tables.labels import EXPRESSIONS


@pytest.fixture(params=method_names())
def name(request):
    return request.param


def methods(suit):
    """Run a test for those methods whose options suit, all else as in OVERFIT."""
    return pytest.mark.parametrize("name", [name for name in method_names() if suit(options(name))])


def having(field):
    return methods(lambda config: field in type(config).model_fields)


def options(name, **changes):
    return config_class(name)(**(OVERFIT[name] | changes))


def given(source, classes=None, **changes):
    classes = classes or source.classes
    return replace(TrainingInputs(source, classes, text_for(classes, source.row_shape()[0]), tiny_encoder()), **changes)


def fit(name, source, seed=0, config=None, on_progress=lambda progress: None, **changes):
    return load_method(name).fit(given(source, **changes), config or options(name), seed, on_progress)


@cache
def trained_head(name):
    """The head of `source_for(name)`, for tests that only read it."""
    return fit(name, source_for(name)).head


def inputs(name, source, split="val"):
    stored = {output: source.features(split, output) for output in stores(name)}
    reads = options(name).reads
    if not isinstance(source, ClipSource):
        return stored
    arrays = clip_arrays(stored, reads, ClipSampler(source.clips(split), options(name).clip_frames))
    return {output: array[:] for output, array in arrays.items()}


def stores(name):
    """The outputs of a store that the method's inputs are made of."""
    return tuple(map(stored_output, options(name).reads))


def changed(source, change):
    """The same source with `change` made to every array of features: (split, output, array) -> array."""
    splits = {split: (change(split, "pooled", array), labels) for split, (array, labels) in source.splits.items()}
    others = {
        output: {split: change(split, output, array) for split, array in arrays.items()}
        for output, arrays in source.others.items()
    }
    return replace(source, splits=splits, others=others, reads=[])


def test_every_method_is_in_this_suite():
    assert set(OVERFIT) == set(method_names())


def test_method_and_config_agree_on_the_name(name):
    method = load_method(name)
    assert (method.name, method.config_class) == (name, config_class(name))


def test_every_option_says_what_it_does(name):
    fields = config_class(name).model_fields
    assert [field for field, info in fields.items() if not info.description] == []
    config_class(name)()  # all have defaults


def test_factors_are_options_of_a_stackable_method(name):
    config = config_class(name)
    assert set(config.loss_weight_options) <= set(config.model_fields)
    assert config.can_ensemble or not config.loss_weight_options


@pytest.mark.parametrize("n_classes", [7, 8])
def test_overfits_16_separable_rows(name, n_classes):
    fitted = fit(name, source_for(name, EXPRESSIONS[:n_classes]))
    assert fitted.val.accuracy == 1.0
    assert fitted.head.spec.classes == EXPRESSIONS[:n_classes]
    assert set(fitted.head.spec.inputs) <= set(options(name).reads)  # cliper begins with the pooled feature


def test_equal_seeds_give_equal_weights(name):
    states = [pack(fit(name, source_for(name, n_views=2), seed=5).head)[0] for _ in range(2)]
    assert states[0] == states[1]


def test_other_seeds_give_other_weights_exactly_where_the_method_says_so(name):
    states = [pack(fit(name, source_for(name), seed=seed).head)[0] for seed in (0, 1)]
    assert (states[0] != states[1]) == config_class(name).is_random


def test_fitting_leaves_the_global_generator_alone(name):
    before = torch.random.get_rng_state()
    fit(name, source_for(name))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_fitting_leaves_the_encoder_as_it_was(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    before = tiny_encoder().encode_images(pixels)["pooled"], tiny_encoder().encode_text(["a face"])
    fit(name, source_for(name))
    np.testing.assert_array_equal(tiny_encoder().encode_images(pixels)["pooled"], before[0])
    np.testing.assert_array_equal(tiny_encoder().encode_text(["a face"]), before[1])


def test_a_packed_head_works_without_its_source(name):
    source = source_for(name)
    head = trained_head(name)
    state, description = pack(head)
    again = unpack(state, description, tiny_encoder())
    np.testing.assert_array_equal(again.predict(inputs(name, source)), head.predict(inputs(name, source)))


def test_logits_do_not_depend_on_the_rows_that_go_along(name, monkeypatch):
    """Networks with batch statistics are asked in evaluation mode; 1e-4 is what other batch sizes leave."""
    source = source_for(name)
    head = trained_head(name)
    together = head.predict(inputs(name, source))
    monkeypatch.setattr(type(head), "predict_rows", 1)
    np.testing.assert_allclose(head.predict(inputs(name, source)), together, rtol=1e-4, atol=1e-4)


def test_the_head_is_the_selected_epochs_and_calibrated_on_the_validation_split(name):
    source = source_for(name)
    source.splits["val"][1][0] = "neutral"  # a wrong label keeps the best score below 1
    fitted = fit(name, source)
    record = fitted.history[fitted.selected_epoch - 1]
    assert record["epoch"] == fitted.selected_epoch
    assert (record["val_accuracy"], record["val_uar"]) == (fitted.val.accuracy, fitted.val.uar)
    assert record["val_accuracy"] == max(row["val_accuracy"] for row in fitted.history)
    assert evaluate(fitted.head, source, "val").scores.accuracy == fitted.val.accuracy
    codes = np.array([source.classes.index(label) for label in source.labels("val")])
    assert fitted.calibration == Calibration.fit(fitted.head.predict(inputs(name, source)), codes)
    assert fitted.val.ece == fitted.calibration.ece_after
    assert fitted.val.ece_expected == fitted.calibration.ece_expected


def test_selects_by_uar_on_request(name):
    source = source_for(name)
    source.splits["val"][1][:3] = "neutral"
    fitted = fit(name, source, config=options(name, select_by="uar"))
    assert fitted.val.uar == max(row["val_uar"] for row in fitted.history)


def test_a_class_may_be_absent_from_train(name):
    source = source_for(name, absent="disgust")
    fitted = fit(name, source)
    assert fitted.val.accuracy == 1.0
    assert fitted.val.per_class["disgust"] is None
    assert np.isfinite(fitted.head.predict(inputs(name, source))).all()
    assert fitted.diagnostics["no_train_rows"] == ["disgust"]


def test_the_temperature_is_fitted_on_classes_that_train_has(name):
    """A validation row of another class is scored, counted in the calibration, and has no part in the temperature."""
    source = source_for(name)
    train, labels = source.splits["train"]
    present = labels != "disgust"
    others = {output: arrays | {"train": arrays["train"][:, present]} for output, arrays in source.others.items()}
    known = replace(source, splits=source.splits | {"train": (train[:, present], labels[present])}, others=others)
    fitted = fit(name, known)
    codes = np.array([known.classes.index(label) for label in known.labels("val")])
    n_disgust = int((codes == known.classes.index("disgust")).sum())
    assert (fitted.calibration.n, fitted.calibration.n_left_out) == (16 - n_disgust, n_disgust)
    assert fitted.val.support["disgust"] == n_disgust > 0
    usable = codes != known.classes.index("disgust")
    logits = fitted.head.predict(inputs(name, known))
    alone = Calibration.fit(logits[usable], codes[usable])
    assert replace(fitted.calibration, n_left_out=0) == alone


def test_learns_from_a_train_split_of_two_rows(name):
    assert fit(name, source_for(name, n=2)).val.accuracy == 1.0


@having("batch_size")
def test_the_last_batch_may_be_a_single_row(name):
    assert fit(name, source_for(name), config=options(name, batch_size=5)).val.accuracy == 1.0


def test_half_precision_features_are_learnt_from(name):
    halves = changed(
        source_for(name), lambda split, output, array: array if output == "pixels" else array.astype(np.float16)
    )
    assert fit(name, halves).val.accuracy == 1.0


@pytest.mark.parametrize("scale", ["raw", "l2", "standard"])
@having("feature_scale")
def test_every_feature_scale_is_learnt_with(name, scale):
    shifted = changed(source_for(name), lambda split, output, array: array * 0.02 + 1 if output == "pooled" else array)
    fitted = fit(name, shifted, config=options(name, feature_scale=scale))
    losses = [epoch["loss"] for epoch in fitted.history]
    assert min(losses) < losses[0]
    assert fitted.head.spec.scale == scale
    if scale == "standard":  # the others learn slowly where features differ little
        assert fitted.val.accuracy == 1.0


@having("feature_scale")
def test_standard_scale_is_that_of_all_views_of_the_train_split(name):
    source = source_for(name, n_views=2)
    fitted = fit(name, source, config=options(name, feature_scale="standard"))
    rows = source.splits["train"][0].reshape(32, -1)
    np.testing.assert_allclose(fitted.head.scale.mean.numpy(), rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(fitted.head.scale.std.numpy(), rows.std(axis=0), rtol=1e-4)


@having("feature_scale")
def test_l2_scale_makes_the_length_of_features_irrelevant(name):
    """To training as to prediction: all pooled features 4 times as long, the same head."""
    config, source = options(name, feature_scale="l2"), source_for(name)
    longer = changed(source, lambda split, output, array: 4 * array if output == "pooled" else array)
    heads = [fit(name, faces, config=config).head for faces in (source, longer)]
    rows, scaled = inputs(name, source), heads[0].spec.scaled_input
    expected = heads[0].predict(rows)
    for head in heads:
        np.testing.assert_allclose(head.predict(rows | {scaled: 50 * rows[scaled]}), expected, rtol=1e-3, atol=1e-3)


def test_reads_train_and_val_only_and_every_view_once(name):
    source = source_for(name, n_views=3)  # has no test split: reading one is a KeyError
    fit(name, source)
    views = 3 if options(name).views == "all" else 1
    expected = {("train", output, view) for output in stores(name) for view in range(views)}
    expected |= {("val", output, 0) for output in stores(name)}
    assert sorted(source.reads) == sorted(expected)


@methods(lambda config: config.views == "all" and config.is_random)
def test_views_change_what_is_learnt(name):
    plain, viewed = source_for(name, n_views=1), source_for(name, n_views=3)
    viewed = changed(viewed, lambda split, output, array: np.concatenate([plain._array(split, output)[:1], array[1:]]))
    assert pack(fit(name, plain).head)[0] != pack(fit(name, viewed).head)[0]


def test_its_head_refuses_rows_of_another_shape(name):
    head = trained_head(name)
    output = stores(name)[0]
    other = changed(source_for(name), lambda split, name, array: array[..., 1:] if name == output else array)
    with pytest.raises(MismatchError, match=rf"expects {options(name).reads[0]} of shape \(.*\), found \("):
        evaluate(head, other, "val")


def test_its_head_refuses_another_encoder(name):
    source = source_for(name)
    head = trained_head(name)
    other = replace(source, encoder=source.encoder | {"precision": "amp-float16"})
    with pytest.raises(MismatchError, match="precision: expected 'float32', found 'amp-float16'"):
        evaluate(head, other, "val")


def test_the_order_in_which_a_dataset_names_its_classes_does_not_matter(name):
    source = source_for(name)
    head = trained_head(name)
    reordered = replace(source, classes=tuple(reversed(source.classes)))
    assert evaluate(head, reordered, "val").as_json() == evaluate(head, source, "val").as_json()


def test_labels_outside_the_classes_are_refused_or_dropped_and_counted(name):
    source, seven = source_for(name, EXPRESSIONS), EXPRESSIONS[:7]
    with pytest.raises(MismatchError, match=r"faces train: .* found also contempt 2 rows"):
        fit(name, source, classes=seven)
    fitted = fit(name, source, classes=seven, drop_other_labels=True)
    assert fitted.dropped == {"contempt": 4}
    known = source.splits["train"][1] != "contempt"
    kept = changed(source, lambda split, output, array: array[:, known])
    kept.splits = {split: (array, labels[known]) for split, (array, labels) in kept.splits.items()}
    assert pack(fitted.head)[0] == pack(fit(name, kept, classes=seven).head)[0]


def test_no_validation_rows_is_an_error_that_says_what_to_do(name):
    source = source_for(name)
    features, labels = source.splits["val"]
    empty = replace(source, splits=source.splits | {"val": (features[:, :0], labels[:0])})
    with pytest.raises(
        TrainingError, match=r"faces val: expected rows to select .* found none\. Give the dataset a val"
    ):
        fit(name, empty)


def test_one_class_alone_is_an_error(name):
    with pytest.raises(TrainingError, match="rows of two classes, found surprise only") as error:
        fit(name, source_for(name, n=1))
    assert list(error.value.remedy) == [("index", {"dataset": "faces", "dry_run": True})]


@methods(lambda config: set(config.reads) != {"pixels"})
def test_a_feature_that_is_not_finite_is_named(name):
    source = source_for(name, n_views=2)
    view = 1 if options(name).views == "all" else 0
    output = next(output for output in stores(name) if output != "pixels")
    source._array("train", output)[view, 3] = np.nan
    with pytest.raises(TrainingError, match=r"faces train: .*found NaN or infinity in 1 rows, first train-3"):
        fit(name, source)


@methods(lambda config: {"pooled", "frames"} & set(config.reads))
def test_a_feature_without_a_direction_is_named(name):
    """Below 6e-8 float16 has only 0 left."""
    source = source_for(name)
    source._array("train", "pooled")[0, 3] = np.float16(1e-8)
    with pytest.raises(TrainingError, match=r"found features of length zero in 1 rows, first train-3\. .*") as error:
        fit(name, source)
    assert error.value.remedy[-1] == ("extract", {"dataset": "faces", "dtype": "float32"})


@having("lr")
def test_a_learning_rate_that_diverges_stops_with_the_step_and_the_terms(name):
    with pytest.raises(TrainingError, match=r"epoch \d+.*expected .*finite"):
        fit(name, source_for(name), config=options(name, lr=1e38))


def finished_and_error(name, jobs):
    """Positions of the heads that are given, and the error after them."""
    finished = []
    with pytest.raises(TrainingError) as raised:
        finished.extend(i for i, _ in load_method(name).fit_many(given(source_for(name)), jobs))
    return sorted(finished), str(raised.value)


@having("lr")
def test_a_head_that_diverges_leaves_the_others_alone(name):
    good, bad = options(name), options(name, lr=1e38)
    finished, message = finished_and_error(name, [(bad, 0), (good, 0), (bad, 1), (good, 1)])
    assert finished == [1, 3]
    assert message.startswith(f"2 heads could not be trained\n{name}, lr=1e+38, seed 0: epoch ")
    assert f"\n{name}, lr=1e+38, seed 1: epoch " in message


def test_a_first_stage_that_diverges_leaves_the_others_alone():
    good, bad = options("cliper"), options("cliper", first_lr=1e38)
    finished, message = finished_and_error("cliper", [(bad, 0), (good, 0)])
    assert finished == [1]
    assert message.startswith("cliper, first_lr=1e+38, seed 0: first stage (first_lr 1e+38): epoch 1")


def test_an_output_that_is_not_kept_is_named_with_the_command_that_makes_it(name):
    bare = replace(source_for(name), others={})
    if stores(name) == ("pooled",):
        assert fit(name, bare).val.accuracy == 1.0
        return
    with pytest.raises(LookupError, match="fer-stage extract --outputs"):
        fit(name, bare)


def test_options_of_another_method_are_refused(name):
    other = next(method for method in method_names() if method != name)
    with pytest.raises(ConfigError, match=f"{name}: expected options of"):
        fit(name, source_for(name), config=config_class(other)())


@pytest.mark.parametrize("classes", [("fear",), ("fear", "fear")])
def test_fewer_than_two_different_classes_are_refused(name, classes):
    with pytest.raises(ConfigError, match="two or more different classes"):
        load_method(name).fit(TrainingInputs(source_for(name), classes), options(name), 0)


@pytest.mark.parametrize("what", ["text", "encoder"])
def test_text_and_encoder_are_required_where_the_method_says_so(name, what):
    bare = replace(given(source_for(name)), **{what: None})
    if not getattr(options(name), f"needs_{what}"):
        assert load_method(name).fit(bare, options(name), 0).val.accuracy == 1.0
        return
    with pytest.raises(ConfigError, match=f"expected .*{what}.*, found none"):
        load_method(name).fit(bare, options(name), 0)


@methods(lambda config: config.needs_encoder)
def test_another_encoder_than_the_features_is_refused_where_one_is_needed(name):
    source = source_for(name)
    other = replace(source, encoder=source.encoder | {"encoder": {"architecture": "median"}})
    with pytest.raises(MismatchError, match="expected the encoder of the features"):
        fit(name, other)


def test_progress_is_told_for_every_record_of_the_history(name):
    heard = []
    fitted = fit(name, source_for(name), on_progress=heard.append)
    assert [progress.done for progress in heard][-len(fitted.history) :] == list(range(1, len(fitted.history) + 1))


def test_several_seeds_are_each_the_head_of_its_seed(name, monkeypatch):
    """Trained together or one after the other: equal to each alone within rounding."""
    source, config = source_for(name, n_views=2), options(name)
    seeds = (3, 5)
    monkeypatch.setattr("pipeline.learning.group.n_cores", lambda: 1)  # the two of a light head form one stack
    many = dict(load_method(name).fit_many(given(source), [(config, seed) for seed in seeds]))
    assert [many[i].ensemble_size for i in range(2)] == [2 if config.can_ensemble else 1] * 2
    for i, seed in enumerate(seeds):
        alone = fit(name, source, seed=seed)
        found, expected = many[i].head.state_dict(), alone.head.state_dict()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key].numpy(), value.numpy(), rtol=1e-3, atol=2e-4, err_msg=key)
        assert many[i].history[0] == pytest.approx(alone.history[0], rel=1e-4, abs=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_method_trains_on_a_gpu_and_leaves_its_head_on_the_cpu():
    for name in method_names():
        source = source_for(name)
        fitted = fit(name, source, device="cuda:0", encoder=tiny_encoder("cuda:0"))
        assert fitted.val.accuracy == 1.0, name
        assert {value.device.type for value in fitted.head.state_dict().values()} == {"cpu"}, name
