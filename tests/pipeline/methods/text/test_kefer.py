from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from memory_source import separable_source, text_for
from tiny_encoder import tiny_encoder

from pipeline.errors import ConfigError, MismatchError
from pipeline.learning.learner import Batch
from pipeline.learning.method import TrainingInputs
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.backbones import Backbone
from pipeline.methods.packing import pack, unpack
from pipeline.methods.text.heads import ImageTextHead, TextSimilarityHead, TunedTextHead
from pipeline.methods.text.options import KeferConfig
from pipeline.methods.text.train import KEFER, KeferLearner

CLASSES = ("fear", "anger", "neutral")


def learner(raw_text=None, **options):
    """Features are v itself; texts (1, 0), (0, 1), (-1, 0); the neutral network gives n = (0, 5) for any face."""
    text_options = {"text_width": 2, "projection": "none", "temperature": 0.1}
    spec = HeadSpec("text-similarity", CLASSES, {"pooled": (2,)}, {}, "faces", "raw", text_options)
    head = TextSimilarityHead(spec)
    head.set_text(np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32))
    made = KeferLearner(
        head, KeferConfig(temperature=0.1, **options), torch.Generator().manual_seed(0), raw_text=raw_text
    )
    for value in made.to_neutral.parameters():
        torch.nn.init.zeros_(value)
    with torch.no_grad():
        made.to_neutral[0].bias.fill_(-1.0)  # below 0: ReLU lets nothing of it through
        made.to_neutral[2].weight.fill_(1.0)
        made.to_neutral[2].bias.copy_(torch.tensor([0.0, 5.0]))
    return made


def terms(made, features, labels):
    return made.loss_terms(
        Batch({"pooled": torch.as_tensor(features)}, torch.tensor(labels), torch.arange(len(labels)))
    )


def fit(config, source=None, text=None, seed=0):
    source = source or separable_source()
    given = TrainingInputs(source, source.classes, text or text_for(source.classes), tiny_encoder())
    return KEFER.fit(given, config, seed)


ROWS, LABELS = [[3.0, 4.0], [1.0, 2.0]], [0, 2]


def test_the_three_terms_of_one_emotional_and_one_neutral_row():
    """s: row 1 cosines (0.6, 0.8, -0.6) / 0.1, true 0: ln(e^6 + e^8 + e^-6) - 6 = 2.126929; row 2 cosines
    (0.447214, 0.894427, -0.447214) / 0.1, true 2: 8.944272 + ln(1 + e^-4.472136 + e^-13.416408) + 4.472136
    = 13.427772. Mean 7.777351.
    t: row 1 only: dv = (3, -1), dt = (1, 0) - (-1, 0) = (2, 0): 1 - 3 / sqrt(10) = 0.051317.
    c: row 1 only: cos(t, n) = 0, cos(t, v) = 0.6: 0 - 0.6 + 2 = 1.4."""
    found = {name: term.item() for name, term in terms(learner(), ROWS, LABELS).items()}
    assert found == pytest.approx({"s": 7.777351, "t": 0.051317, "c": 1.4}, abs=1e-5)


def test_contrastive_learning_takes_the_place_of_self_contrast():
    """Row 1 only, over 0.1: p = 6, q = 0: ln(1 + e^-6) = 0.002476."""
    found = terms(learner(contrast="contrastive"), ROWS, LABELS)
    assert found["c"].item() == pytest.approx(0.002476, abs=1e-5)
    assert {name: found[name].item() for name in "st"} == pytest.approx({"s": 7.777351, "t": 0.051317}, abs=1e-5)


def test_normalised_difference_compares_directions():
    """v / |v| = (0.6, 0.8), n / |n| = (0, 1): dv = (0.6, -0.2), the same direction as (3, -1); with n = (0, 4)
    raw dv = (3, 0) and t = 0, normalised dv = (0.6, -0.2) and t = 0.051317."""
    for normalise, expected in ((False, 0.0), (True, 0.051317)):
        made = learner(normalise_difference=normalise)
        with torch.no_grad():
            made.to_neutral[2].bias.copy_(torch.tensor([0.0, 4.0]))
        assert terms(made, ROWS, LABELS)["t"].item() == pytest.approx(expected, abs=1e-5)


def test_the_difference_of_texts_is_that_of_vectors_as_they_are_on_request():
    """Row 1, dv = (3, -1). Texts of fear and neutral (0, 2) and (-1, 0): dt = (1, 2), cosine (3 - 2) / sqrt(5 * 10)
    = 0.141421 and t = 0.858579. At unit length they are (0, 1) and (-1, 0): dt = (1, 1), cosine 2 / sqrt(2 * 10)
    = 0.447214 and t = 0.552786."""
    raw = torch.tensor([[0.0, 2.0], [0.0, 3.0], [-1.0, 0.0]])
    for text, expected in ((raw, 0.858579), (torch.nn.functional.normalize(raw, dim=1), 0.552786)):
        assert terms(learner(text), ROWS, LABELS)["t"].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("prompt", ["last", "ensemble", 0])
def test_raw_differences_see_the_length_of_texts_and_normalised_ones_do_not(prompt):
    """One class's texts three times as long."""
    text = text_for(separable_source().classes)
    longer = text.vectors.copy()
    longer[:, 0] *= 3
    for difference, changes in (("normalised", False), ("raw", True)):
        config = KeferConfig(epochs=1, prompt=prompt, text_difference=difference)
        losses = [fit(config, text=one).history[0]["loss_t"] for one in (text, replace(text, vectors=longer))]
        assert (losses[0] != pytest.approx(losses[1], rel=1e-4)) == changes


def test_a_batch_of_neutral_faces_trains_similarity_alone():
    made = learner()
    features = torch.tensor(ROWS, requires_grad=True)
    found = terms(made, features, [2, 2])
    assert (found["t"].item(), found["c"].item()) == (0.0, 0.0)
    (of_similarity,) = torch.autograd.grad(found["s"], features, retain_graph=True)
    assert of_similarity.any(dim=1).all()
    (found["t"] + found["c"]).backward()
    assert not features.grad.any()
    assert all(value.grad is not None and not value.grad.any() for value in made.to_neutral.parameters())


def test_loss_factors_and_temperature_follow_the_options():
    made = learner(lambda_s=2.0, lambda_t=0.5, lambda_c=0.0)
    assert made.loss_weights == {"s": 2.0, "t": 0.5, "c": 0.0}
    assert KeferConfig().temperature == 0.01


@pytest.mark.parametrize(("prompt", "index"), [("ensemble", "ensemble"), ("last", 1), (0, 0)])
def test_the_head_carries_the_chosen_text(prompt, index):
    text = text_for(separable_source().classes)
    head = fit(KeferConfig(epochs=1, prompt=prompt)).head
    np.testing.assert_allclose(head.text.numpy(), text.chosen(index), rtol=1e-6)


def test_text_is_taken_by_name_not_by_place():
    source = separable_source()
    text = text_for(tuple(reversed(source.classes)))
    head = fit(KeferConfig(epochs=1, prompt="ensemble"), source, text).head
    np.testing.assert_allclose(head.text.numpy(), text.chosen("ensemble")[::-1], rtol=1e-6)


def test_text_without_a_class_is_refused():
    source = separable_source()
    with pytest.raises(MismatchError, match="found none of neutral"):
        fit(KeferConfig(), source, text_for(source.classes[:6]))


def test_classes_without_neutral_are_refused():
    with pytest.raises(ConfigError, match="expected neutral among the classes, found fear, anger"):
        fit(KeferConfig(), separable_source(("fear", "anger")))


def test_without_projection_the_head_is_zero_shot():
    source = separable_source()
    fitted = fit(KeferConfig(epochs=2, projection="none"), source)
    rows = source.features("val")
    cosines = rows @ text_for(source.classes).chosen(1).T / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.head.predict({"pooled": rows}), cosines * 100, rtol=1e-4, atol=1e-3)
    assert fitted.selected_epoch == 1


OTHER = {"family": "transformers", "architecture": "blip", "weights": "b1"}


def of_another_model(text):
    """Equally wide, and still another space."""
    return replace(text, encoder=OTHER)


def test_without_projection_text_of_another_model_is_refused():
    text = of_another_model(text_for(separable_source().classes))
    with pytest.raises(
        MismatchError, match=r"open_clip:tiny .* found vectors of transformers:blip .*projection: linear"
    ):
        fit(KeferConfig(projection="none"), text=text)


def test_a_projection_starts_as_the_identity_only_for_text_of_the_same_model():
    text = text_for(separable_source().classes)
    still = KeferConfig(epochs=1, lr=1e-12)
    torch.testing.assert_close(fit(still, text=text).head.project.weight, torch.eye(32))
    assert not torch.allclose(fit(still, text=of_another_model(text)).head.project.weight, torch.eye(32), atol=0.1)
    assert fit(KeferConfig(epochs=20), text=of_another_model(text)).val.accuracy == 1.0


@pytest.mark.parametrize("backbone", ["encoder", "small"])
def test_a_network_that_is_trained_may_learn_any_text_without_a_projection(backbone):
    width = {"encoder": 32, "small": Backbone("small").width}[backbone]
    text = of_another_model(text_for(separable_source().classes, width))
    config = KeferConfig(backbone=backbone, projection="none", augment=False, epochs=4, lr=0.003)
    losses = [epoch["loss"] for epoch in fit(config, text=text).history]
    assert losses[-1] < losses[0]


ONE_PLAIN_STEP = {"epochs": 1, "warmup_epochs": 0, "momentum": 0.0, "weight_decay": 0.0, "lr": 0.1, "temperature": 0.5}


def stepped_by_hand(source, order):
    """The projection after a plain step for every group of terms, on all rows at once."""
    config, rng = KeferConfig(**ONE_PLAIN_STEP), torch.Generator().manual_seed(0)
    options = {"text_width": 32, "projection": "linear", "temperature": 0.5, "aligned": True}
    head = TextSimilarityHead(
        HeadSpec("text-similarity", source.classes, {"pooled": (32,)}, {}, "faces", "l2", options)
    )
    head.reset(rng)
    head.set_text(text_for(source.classes).chosen(1))
    made = KeferLearner(head, config, rng)
    labels = [source.classes.index(label) for label in source.labels("train")]
    for names in order:
        made.zero_grad()
        found = terms(made, source.features("train"), labels)
        sum(found[name] for name in names).backward()
        with torch.no_grad():
            for value in made.parameters():
                value -= 0 if value.grad is None else 0.1 * value.grad
    return head.project.weight


@pytest.mark.parametrize(("updates", "order"), [("summed", ["stc"]), ("sequential", ["t", "c", "s"])])
def test_updates_are_one_step_on_the_sum_or_one_each_for_t_c_and_s(updates, order):
    source = separable_source()
    found = fit(KeferConfig(updates=updates, **ONE_PLAIN_STEP), source).head.project.weight
    torch.testing.assert_close(found, stepped_by_hand(source, order), rtol=1e-4, atol=1e-6)
    others = stepped_by_hand(source, ["s", "t", "c"])
    assert not torch.allclose(found, others, atol=1e-5)


def test_sequential_updates_without_a_projection_leave_s_out():
    assert fit(KeferConfig(updates="sequential", projection="none", epochs=1)).val.n == 16


# What every backbone must do; kefer's own tests above, and the contract, are of backbone feature.
BACKBONES = {
    "small": (ImageTextHead, {"lr": 0.005}),
    "encoder": (TunedTextHead, {"lr": 0.01}),
    "encoder, tail": (TunedTextHead, {"lr": 0.01, "input": "block-1"}),
}
LIGHT = {"augment": False, "warmup_epochs": 0, "epochs": 12, "batch_size": 8, "temperature": 0.1}


def with_backbone(name, **options):
    kind, learnt = BACKBONES[name]
    return kind, KeferConfig(backbone=name.partition(",")[0], **(LIGHT | learnt | options))


@pytest.mark.parametrize("name", BACKBONES)
class TestBackbones:
    def test_learn_separable_rows(self, name):
        kind, config = with_backbone(name)
        fitted = fit(config)
        assert isinstance(fitted.head, kind)
        assert fitted.val.accuracy == 1.0

    def test_learn_from_drawn_augmentations_or_from_cached_views(self, name):
        source = separable_source(n_views=3)
        _, config = with_backbone(name, augment=True, epochs=4)
        losses = [epoch["loss"] for epoch in fit(config, source).history]
        assert losses[-1] < losses[0]
        drawn = config.reads == ("pixels",)
        assert {view for split, _, view in source.reads if split == "train"} == ({0} if drawn else {0, 1, 2})

    def test_train_their_network(self, name):
        _, config = with_backbone(name, epochs=1)
        head = fit(config).head
        network = head.backbone if name == "small" else head.tower
        other = fit(with_backbone(name, epochs=1, lr=1e-9)[1]).head
        start = other.backbone if name == "small" else other.tower
        pairs = zip(network.parameters(), start.parameters(), strict=True)
        assert sum(not torch.equal(ours, theirs) for ours, theirs in pairs) > 3

    def test_travel_and_read_one_output(self, name):
        head = fit(with_backbone(name, epochs=1)[1]).head
        (output,) = head.spec.inputs
        rows = {output: separable_source().features("val", output)}
        again = unpack(*pack(head), tiny_encoder())
        np.testing.assert_array_equal(again.predict(rows), head.predict(rows))


def test_the_encoder_starts_as_zero_shot_on_its_own_feature():
    """Before any step, from pixels: the cosines of the pooled feature, within rounding."""
    source = separable_source()
    text = text_for(source.classes)
    head = fit(KeferConfig(backbone="encoder", augment=False, epochs=1, lr=1e-12), source, text).head
    pixels = source.features("val", "pixels")
    pooled = tiny_encoder().encode_images(pixels)["pooled"]
    cosines = pooled @ text.chosen(1).T / np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(head.predict({"pixels": pixels}), 100 * cosines, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "needs_encoder", "can_ensemble", "reads", "views"),
    [
        ({}, False, True, ("pooled",), "all"),
        ({"updates": "sequential"}, False, False, ("pooled",), "all"),
        ({"backbone": "resnet18"}, False, False, ("pixels",), "plain"),
        ({"backbone": "swin_tiny", "augment": False}, False, False, ("pixels",), "all"),
        ({"backbone": "encoder"}, True, False, ("pixels",), "plain"),
        ({"backbone": "encoder", "input": "block-11"}, True, False, ("block-11",), "all"),
    ],
)
def test_what_is_needed_depends_on_the_options(options, needs_encoder, can_ensemble, reads, views):
    config = KeferConfig(**options)
    found = (config.needs_encoder, config.can_ensemble, config.reads, config.views)
    assert found == (needs_encoder, can_ensemble, reads, views)


def test_first_weights_of_an_image_network_come_from_a_file(tmp_path):
    backbone = Backbone("small")
    backbone.reset(torch.Generator().manual_seed(9))
    safetensors.torch.save_file(backbone.net.state_dict(), tmp_path / "faces.safetensors")
    path = str(tmp_path / "faces.safetensors")
    fitted = fit(KeferConfig(backbone="small", pretrained=path, augment=False, epochs=1, lr=1e-12))
    assert fitted.diagnostics["pretrained"]["share"] == 1.0
    found, expected = fitted.head.backbone.net.state_dict(), backbone.net.state_dict()
    torch.testing.assert_close(found["stage1.0.weight"], expected["stage1.0.weight"])


def test_a_file_of_weights_without_an_image_network_is_refused():
    with pytest.raises(ConfigError, match="expected an image network as backbone"):
        fit(KeferConfig(pretrained="faces.safetensors"))
