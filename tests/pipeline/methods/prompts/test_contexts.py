"""coop and cocoop: what they are before training is zero-shot CLIP with the same words."""

import math

import numpy as np
import pytest
import torch
from memory_source import separable_source
from tiny_encoder import tiny_encoder

from pipeline.errors import ConfigError
from pipeline.learning.method import TrainingInputs
from pipeline.learning.optimizers import constant_then_cosine
from pipeline.learning.spec import HeadSpec
from pipeline.methods import load_method
from pipeline.methods.prompts.context import coop_rows
from pipeline.methods.prompts.heads import CocoopHead, DescriptorHead
from pipeline.methods.prompts.options import CocoopConfig, CoopConfig

TOLERANCE = 1e-3  # logits of 14 times a cosine
CLASSES = ("fear", "anger", "happiness")
FEATURES = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32)
UNTOUCHED = 1e-30  # a learning rate that leaves every value as it is


def fit(config, source=None, seed=0):
    source = source or separable_source()
    return load_method(config.method).fit(TrainingInputs(source, source.classes, encoder=tiny_encoder()), config, seed)


def zero_shot(sentences):
    """exp(logit scale) times the cosines of FEATURES with the encoder's own vectors of sentences."""
    text = tiny_encoder().encode_text(sentences)
    cosines = (FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)) @ (
        text / np.linalg.norm(text, axis=1, keepdims=True)
    ).T
    return cosines / 0.07  # open_clip's first scale is 1 / 0.07


@pytest.mark.parametrize(
    ("position", "sentence"),
    [("end", "a photo of a {}."), ("middle", "a photo {} of a."), ("front", "{} a photo of a.")],
)
def test_coop_begins_as_zero_shot_with_its_words(position, sentence):
    for class_specific in (False, True):
        head = fit(
            CoopConfig(
                words="a photo of a",
                class_position=position,
                class_specific=class_specific,
                epochs=1,
                lr=UNTOUCHED,
                warmup_lr=UNTOUCHED,
            )
        ).head
        assert isinstance(head, DescriptorHead)
        expected = zero_shot([sentence.format(name) for name in separable_source().classes])
        np.testing.assert_allclose(head.predict({"pooled": FEATURES}), expected, atol=TOLERANCE)


def test_coops_prompts_have_the_places_around_the_name():
    """Places are counted down from -1; an odd number leaves the larger half after the name."""
    tower = tiny_encoder().prompts
    (fear,), (stop,) = tower.words("fear"), tower.words(".")
    expected = {
        "end": [-1, -2, -3, fear, stop],
        "middle": [-1, fear, -2, -3, stop],
        "front": [fear, -1, -2, -3, stop],
    }
    for position, middle in expected.items():
        rows = coop_rows(tower, ("fear",), 3, CoopConfig(class_position=position))
        assert rows == [[*tower.start, *middle, tower.end]]
    assert coop_rows(tower, ("fear",), 1, CoopConfig(suffix="")) == [[*tower.start, -1, fear, tower.end]]


def test_the_context_is_one_or_each_class_has_its_own():
    unified = fit(CoopConfig(epochs=2, tokens=3)).diagnostics["nearest_words"]
    own = fit(CoopConfig(epochs=2, tokens=3, class_specific=True)).diagnostics["nearest_words"]
    assert (tuple(unified), tuple(own)) == (("every class",), separable_source().classes)
    assert {len(tokens) for tokens in (*unified.values(), *own.values())} == {3}


def test_tokens_that_begin_as_words_are_nearest_to_them():
    options = {"epochs": 1, "lr": UNTOUCHED, "warmup_lr": UNTOUCHED}
    found = fit(CoopConfig(words="a photo of a", tokens=7, **options)).diagnostics["nearest_words"]["every class"]
    assert [token[0] for token in found] == [("a", 0.0), ("photo", 0.0), ("of", 0.0), ("a", 0.0)]


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True])
def test_coop_trains_with_equal_losses_on_truncated_and_full_context(position, class_specific):
    options = {"class_position": position, "class_specific": class_specific, "epochs": 3, "tokens": 4, "lr": 0.01}
    losses = [
        [record["loss"] for record in fit(CoopConfig(context=context, **options)).history]
        for context in ("truncated", "full")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_cocoop_trains_with_equal_losses_on_truncated_and_full_context():
    losses = [
        [record["loss"] for record in fit(CocoopConfig(context=context, epochs=2, lr=0.01)).history]
        for context in ("truncated", "full")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_context_that_leaves_no_room_is_refused():
    with pytest.raises(ConfigError, match=r"at most 77 positions, .* found 85"):
        fit(CoopConfig(tokens=80))


def test_the_learning_rate_is_small_first_and_then_a_cosine():
    """Four epochs, one of them at 1e-5: then 2e-3 times (1 + cos(0, pi / 4, pi / 2)) / 2 = 1, 0.853553, 0.5."""
    factors = constant_then_cosine(4, 1, 0.005)
    assert [factors(epoch) for epoch in range(4)] == pytest.approx([0.005, 1.0, 0.853553, 0.5], abs=1e-6)
    assert [record["lr"] for record in fit(CoopConfig(epochs=2)).history] == pytest.approx([1e-5, 2e-3])


# --- cocoop


def cocoop_head(**options):
    config = CocoopConfig(**options)
    names = {"words", "tokens", "init_std", "suffix", "reduction", "context"}
    spec = HeadSpec("cocoop", CLASSES, {"pooled": (32,)}, {}, "faces", "raw", config.model_dump(include=names))
    head = CocoopHead(spec, tiny_encoder())
    head.reset(torch.Generator().manual_seed(0))
    return head


def test_cocoop_without_a_shift_is_zero_shot_with_its_words():
    head = cocoop_head()
    torch.nn.init.zeros_(head.shift.wide.weight)
    torch.nn.init.zeros_(head.shift.wide.bias)
    expected = zero_shot([f"a photo of a {name}." for name in CLASSES])
    np.testing.assert_allclose(head.predict({"pooled": FEATURES}), expected, atol=TOLERANCE)


def test_every_image_shifts_all_tokens_of_its_own_prompts():
    """Each prompt embedded and encoded by itself, on the full context."""
    head, tower, images = cocoop_head(), tiny_encoder().prompts, torch.tensor(FEATURES)
    found = head({"pooled": images})
    for image, logits in zip(images, found, strict=True):
        tokens = tower.embed(tower.words("a photo of a")) + head.shift(image[None])
        for name, logit in zip(CLASSES, logits, strict=True):
            start, rest = tower.embed(tower.start), [*tower.words(f"{name}."), tower.end]
            row = torch.cat([start, tokens, tower.embed(rest)])[None]
            text = tower.encode(row, torch.tensor([row.shape[1] - 1]))
            expected = torch.nn.functional.cosine_similarity(image[None], text) / 0.07
            assert logit.item() == pytest.approx(expected.item(), abs=TOLERANCE)


def test_the_length_of_a_feature_is_irrelevant_to_cocoop():
    head = cocoop_head()
    np.testing.assert_allclose(
        head.predict({"pooled": 7 * FEATURES}), head.predict({"pooled": FEATURES}), atol=TOLERANCE
    )


def test_chunks_give_equal_logits_and_gradients(monkeypatch):
    results = []
    for positions in (10_000, 1):
        monkeypatch.setattr("pipeline.methods.prompts.heads._POSITIONS_AT_ONCE", positions)
        head = cocoop_head()
        logits = head({"pooled": torch.tensor(FEATURES)})
        logits.square().sum().backward()
        results.append([logits, *(value.grad for value in head.parameters())])
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-3, atol=1e-3)


def test_cocoop_keeps_its_tokens_and_network_and_nothing_of_the_tower():
    head = fit(CocoopConfig(epochs=1, batch_size=16, words="", tokens=5)).head
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "tokens": (5, 32),
        "shift.narrow.weight": (2, 32),
        "shift.narrow.bias": (2,),
        "shift.wide.weight": (32, 2),
        "shift.wide.bias": (32,),
    }


def test_tokens_begin_normal_without_words():
    tokens = cocoop_head(words="", tokens=50, init_std=0.3).tokens
    assert math.isclose(tokens.std().item(), 0.3, rel_tol=0.1)
