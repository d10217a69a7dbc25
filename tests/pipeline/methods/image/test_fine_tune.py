"""fine-tune, and what it shares with the other methods that train the encoder's network."""

import math

import numpy as np
import pytest
import torch
from memory_source import separable_source
from pydantic import ValidationError
from tiny_encoder import tiny_encoder

from pipeline.errors import EncoderError
from pipeline.images.augment import Augment, to_images
from pipeline.images.distort import Distort
from pipeline.learning.learner import Batch
from pipeline.learning.method import TrainingInputs
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.heads import FineTuneHead
from pipeline.methods.image.learners import tuned_settings
from pipeline.methods.image.options import FineTuneConfig
from pipeline.methods.image.train import FINE_TUNE, FineTuneLearner

QUICK = {"augment": False, "epochs": 15, "lr": 0.003, "lr_classifier": 0.01}


def fit(source=None, seed=0, **options):
    source = source or separable_source()
    given = TrainingInputs(source, source.classes, encoder=tiny_encoder())
    return FINE_TUNE.fit(given, FineTuneConfig(**(QUICK | options)), seed)


def learner(**options):
    source = separable_source()
    config = FineTuneConfig(**options)
    inputs = {name: source.row_shape(name) for name in config.reads}
    head = FineTuneHead(HeadSpec("fine-tune", source.classes, inputs, source.encoder, "faces"), tiny_encoder())
    head.reset(torch.Generator().manual_seed(0))
    return FineTuneLearner(head, config), source


def batch(source, noise=None):
    labels = torch.tensor([source.classes.index(label) for label in source.labels("train")])
    pixels = torch.from_numpy(source.features("train", "pixels"))
    return Batch({"pixels": pixels}, labels, torch.arange(len(labels)), noise=noise or {})


@pytest.mark.parametrize("source", ["pixels", "block-0", "block-1"])
def test_learns_from_pixels_and_from_every_block(source):
    faces = separable_source()
    faces.others["block-0"] = faces.others["block-1"]
    assert fit(faces, input=source).val.accuracy == 1.0


def test_the_term_is_cross_entropy_of_the_pooled_feature_before_any_step():
    made, source = learner(augment=False)
    pooled = torch.from_numpy(tiny_encoder().encode_images(source.features("train", "pixels"))["pooled"])
    logits = pooled @ made.head.classifier.weight.T + made.head.classifier.bias
    faces = batch(source)
    expected = -logits.log_softmax(dim=1)[torch.arange(16), faces.labels].mean()
    assert made.loss_terms(faces)["ce"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_block_that_the_encoder_does_not_have_is_refused():
    source = separable_source()
    source.others["block-9"] = source.others["block-1"]
    with pytest.raises(EncoderError, match="gives no block-9"):
        fit(source, input="block-9")


@pytest.mark.parametrize("wrong", ["pooled", "tokens", "block", "block-x", "pixels, block-1"])
def test_only_pixels_and_blocks_are_learnt_from(wrong):
    with pytest.raises(ValidationError):
        FineTuneConfig(input=wrong)


class TestAugmentations:
    def test_are_drawn_anew_for_every_batch_from_the_plain_view(self):
        config = FineTuneConfig()
        assert (config.views, config.reads) == ("plain", ("pixels",))
        made, source = learner()
        rng = torch.Generator().manual_seed(0)
        values = [made.loss_terms(batch(source, made.draw(16, rng)))["ce"].item() for _ in range(2)]
        assert values[0] != values[1]

    def test_are_all_in_what_is_drawn(self):
        made, source = learner()
        noise = made.draw(16, torch.Generator().manual_seed(0))
        values = [made.loss_terms(batch(source, noise))["ce"].item() for _ in range(2)]
        assert values[0] == values[1]

    def test_have_the_strengths_of_the_options(self):
        options = {"crop": 0.5, "crop_aspect": 2.0, "rotate": 7.0, "brightness": 0.2, "hue": 0.1}
        drawn = learner(**options, flip=0.3, erase=0.4)[0].augmentation
        assert drawn.distort == Distort((0.5, 1.0), (0.5, 2.0), 7.0, 0.2, 0.1)
        assert drawn.augment == Augment(flip=0.3, noise=0.0, erase=0.4)

    def test_of_no_strength_leave_the_pixels_as_they_are(self):
        still = {"crop": 1.0, "crop_aspect": 1.0, "flip": 0.0, "erase": 0.0, "brightness": 0.0, "hue": 0.0}
        made, source = learner(**still)
        faces = batch(source, made.draw(16, torch.Generator().manual_seed(0)))
        np.testing.assert_allclose(made.augmented_inputs(faces)["images"], to_images(faces.inputs["pixels"]), atol=0.02)

    @pytest.mark.parametrize("options", [{"augment": False}, {"input": "block-1"}])
    def test_give_way_to_the_cached_views(self, options):
        assert FineTuneConfig(**options).views == "all"
        made, _ = learner(**options)
        assert made.draw(16, torch.Generator()) == {}

    def test_are_learnt_with(self):
        losses = [epoch["loss"] for epoch in fit(augment=True, epochs=8, lr=0.01).history]
        assert max(losses[-3:]) < losses[0]


class TestSettings:
    def lr_factor(self, **options):
        made, _ = learner(**options)
        return tuned_settings([(made.head.tower, 1.0)], FineTuneConfig(**options)).lr_factor

    def test_a_cosine_falls_over_all_epochs(self):
        """Half way down a cosine of 50 epochs is epoch 25."""
        factor = self.lr_factor()
        assert (factor(0), factor(25)) == (1.0, pytest.approx(0.5))
        assert factor(49) < 0.002

    def test_restarts_begin_anew_every_ten_epochs(self):
        factor = self.lr_factor(schedule="restarts")
        assert [factor(epoch) for epoch in (0, 5, 10, 20)] == pytest.approx([1.0, 0.5, 1.0, 1.0])
        assert factor(9) == pytest.approx((1 + math.cos(0.9 * math.pi)) / 2)

    def test_network_and_classifier_have_their_own_learning_rates(self):
        """A network without a rate stays the encoder's."""
        pixels = separable_source().features("val", "pixels")
        head = fit(lr=1e-12, epochs=3).head
        found = head.features({"pixels": torch.from_numpy(pixels)}).detach().numpy()
        np.testing.assert_allclose(found, tiny_encoder().encode_images(pixels)["pooled"], atol=1e-4)
        assert fit(lr=1e-12).val.accuracy > 2 / 7
