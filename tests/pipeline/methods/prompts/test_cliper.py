import numpy as np
import pytest
import torch
from memory_source import separable_source
from tiny_encoder import tiny_encoder

from pipeline.errors import TrainingError
from pipeline.learning.learner import Batch
from pipeline.learning.method import TrainingInputs
from pipeline.learning.spec import HeadSpec
from pipeline.methods.prompts.descriptors import CLIPER, METD, CliperLearner
from pipeline.methods.prompts.heads import TunedDescriptorHead
from pipeline.methods.prompts.options import CliperConfig

QUICK = {"augment": False, "descriptors": 2, "tokens": 1, "first_epochs": 2, "first_lr": 0.1, "epochs": 2, "lr": 0.001}


def given(source=None):
    source = source or separable_source()
    return TrainingInputs(source, source.classes, encoder=tiny_encoder())


def fit(source=None, **options):
    return CLIPER.fit(given(source), CliperConfig(**(QUICK | options)), 0)


@pytest.mark.parametrize("source", ["pixels", "block-1"])
def test_the_second_stage_starts_at_the_cached_feature(source):
    """No step worth the name: logits are those of the first stage's descriptors on what the encoder itself gives."""
    faces = separable_source()
    pixels = faces.features("val", "pixels")
    found = tiny_encoder().encode_images(pixels, ("pooled", "block-1"))
    faces.others["block-1"] = {"train": found["block-1"][None], "val": found["block-1"][None]}
    head = fit(faces, input=source, lr=1e-12, temperature=0.5).head
    pooled = found["pooled"] / np.linalg.norm(found["pooled"], axis=1, keepdims=True)
    descriptors = head.descriptors / head.descriptors.norm(dim=2, keepdim=True)
    cosines = np.einsum("bd,ckd->bck", pooled, descriptors.numpy())
    rows = {"pixels": pixels, "block-1": found["block-1"]}
    np.testing.assert_allclose(head.predict({source: rows[source]}), cosines.mean(axis=2) / 0.5, atol=1e-4)


def test_the_first_stage_is_metd_and_its_descriptors_stay():
    config = CliperConfig(**QUICK)
    first = METD.fit(given(), config.first_stage, 0)
    fitted = fit(lr=0.01)
    torch.testing.assert_close(fitted.head.descriptors, first.head.descriptors)
    stage = fitted.diagnostics["first_stage"]
    assert stage["history"] == first.history
    assert stage["nearest_words"] == first.diagnostics["nearest_words"]
    assert stage["images_by_subclass"] == first.diagnostics["images_by_subclass"]


def test_what_the_stages_share_is_equal_in_both():
    config = CliperConfig(
        descriptors=3, tokens=2, prefix="a face", temperature=0.1, lambda_fine=2.0, lambda_margin=0.5,
        empty_subclass="code", eps=0.001, batch_size=7, balanced=True, select_by="uar", first_epochs=9, first_lr=0.5,
    )  # fmt: skip
    first = config.first_stage
    shared = set(type(first).model_fields) & set(type(config).model_fields) - {"epochs", "lr", "weight_decay"}
    assert {name: getattr(first, name) for name in shared} == {name: getattr(config, name) for name in shared}
    assert (first.epochs, first.lr, first.weight_decay) == (9, 0.5, 0.0)


def test_the_papers_numbers_are_the_defaults():
    config = CliperConfig()
    assert (config.descriptors, config.tokens, config.temperature, config.batch_size) == (5, 4, 0.01, 128)
    assert (config.first_epochs, config.epochs, config.weight_decay, config.schedule) == (2, 50, 0.1, "cosine")
    assert (config.lr, config.eps) == (5e-6, 1e-4)


def learner(**options):
    config = CliperConfig(**(QUICK | options))
    spec_options = {"n_descriptors": 2, "temperature": 0.5}
    spec = HeadSpec("tuned-descriptors", ("fear", "anger"), {"pixels": (32, 32, 3)}, {}, "faces", options=spec_options)
    head = TunedDescriptorHead(spec, tiny_encoder())
    return CliperLearner(head, config, {})


def test_terms_are_those_of_the_cosines():
    """One image of class 0 with the cosines (1, -1 | 0, -0.6) at temperature 0.5.
    fine: closest own 2 against 0 and -1.2; the image's subclass has weight 1: ln(e^2 + e^0 + e^-1.2) - 2
    = 0.162202. margin: farthest own -2 against the closest other 0: ln(1 + e^2) = 2.126928."""
    made = learner(temperature=0.5)
    pixels = torch.from_numpy(separable_source().features("train", "pixels")[:1])
    v = torch.from_numpy(tiny_encoder().encode_images(pixels.numpy())["pooled"])[0]
    v = v / v.norm()
    side = torch.zeros(32)
    side[0] = 1
    side = side - (side @ v) * v
    side = side / side.norm()
    made.head.descriptors.copy_(torch.stack([torch.stack([v, -v]), torch.stack([side, -0.6 * v + 0.8 * side])]))
    found = made.loss_terms(Batch({"pixels": pixels}, torch.tensor([0]), torch.tensor([0])))
    expected = {"fine": 0.162202, "margin": 2.126928}
    assert {name: term.item() for name, term in found.items()} == pytest.approx(expected, abs=1e-4)


def test_the_factors_of_the_terms_are_options():
    assert learner(lambda_fine=2.0, lambda_margin=0.5).loss_weights == {"fine": 2.0, "margin": 0.5}


def test_only_the_network_is_trained():
    made = learner()
    assert {name.split(".")[1] for name, _ in made.named_parameters()} == {"tower"}


def test_a_first_stage_that_diverges_says_which_stage_it_is():
    with pytest.raises(TrainingError, match=r"first stage \(first_lr 1e\+38\): epoch 1.*expected .*finite"):
        fit(first_lr=1e38)


def test_one_descriptor_per_class_trains():
    fitted = fit(descriptors=1)
    assert fitted.head.descriptors.shape == (7, 1, 32)
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def test_learns_from_pixels():
    fitted = fit(descriptors=1, tokens=4, first_epochs=5, epochs=12, batch_size=4)
    assert fitted.val.accuracy == 1.0


def test_augmentations_are_drawn_in_the_second_stage_and_the_first_sees_the_plain_view():
    source = separable_source(n_views=3)
    fitted = fit(source, augment=True)
    assert {view for _, _, view in source.reads} == {0}
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    assert fit(source).history != fitted.history
