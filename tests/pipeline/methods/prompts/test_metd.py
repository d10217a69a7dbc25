"""Values of the losses are derived by hand in test_descriptor_losses; here is what metd makes of them."""

import numpy as np
import pytest
import torch
from memory_source import separable_source
from tiny_encoder import tiny_encoder

from pipeline.learning.learner import Batch
from pipeline.learning.method import TrainingInputs
from pipeline.learning.rows import Rows
from pipeline.learning.spec import HeadSpec
from pipeline.methods.prompts.descriptors import METD, MetdLearner, images_by_subclass
from pipeline.methods.prompts.heads import DescriptorHead, PromptHead
from pipeline.methods.prompts.losses import descriptor_cosines, descriptor_margin_loss, fine_grained_loss
from pipeline.methods.prompts.options import MetdConfig
from pipeline.methods.prompts.prompts import Prompts, learned_positions, prompt_row
from pipeline.tables.labels import EXPRESSIONS

TOLERANCE = 2e-5
CLASSES = ("fear", "anger")


def fit(source=None, seed=0, **options):
    source = source or separable_source()
    return METD.fit(TrainingInputs(source, source.classes, encoder=tiny_encoder()), MetdConfig(**options), seed)


def spec_of(n_descriptors, width=32):
    options = {"n_descriptors": n_descriptors, "temperature": 0.01}
    return HeadSpec("descriptors", CLASSES, {"pooled": (width,)}, {}, "faces", "raw", options)


def learner_of(*phrases, **options):
    """A learner of two classes whose tokens are the embeddings of two phrases, one descriptor each."""
    tower = tiny_encoder().prompts
    ids = [tower.words(phrase) for phrase in phrases]
    row = prompt_row(tower, "an ID photo of", learned_positions(0, len(ids[0])), ".")
    head = PromptHead(spec_of(len(ids) // 2), Prompts(tower, [row] * len(ids)), len(ids[0]), 0.001)
    with torch.no_grad():
        head.tokens.copy_(torch.stack([tower.embed(words) for words in ids]))
    return MetdLearner(head, MetdConfig(**options))


def test_a_descriptor_is_the_text_vector_of_prefix_tokens_and_full_stop():
    """Eqs. 5 and 8, with tokens that are words: what the encoder says to the whole sentence."""
    phrases = ["wide eyes", "open mouth", "teeth shown", "red face"]
    found = learner_of(*phrases).head.descriptors()
    expected = tiny_encoder().encode_text([f"an ID photo of {phrase}." for phrase in phrases])
    np.testing.assert_allclose(found.detach().numpy(), expected.reshape(2, 2, -1), atol=TOLERANCE)


def test_terms_are_the_fine_grained_and_the_margin_loss():
    features = torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1, 0, 1])
    for empty in ("skip", "code"):
        learner = learner_of(
            "wide eyes", "open mouth", "teeth shown", "red face", empty_subclass=empty, temperature=0.2
        )
        found = learner.loss_terms(Batch({"pooled": features}, labels, torch.arange(5)))
        cosines = descriptor_cosines(features, learner.head.descriptors())
        torch.testing.assert_close(found["fine"], fine_grained_loss(cosines, labels, 0.2, empty))
        torch.testing.assert_close(found["margin"], descriptor_margin_loss(cosines, labels, 0.2))


def test_the_modulating_factor_can_be_left_out():
    """It matters where images of a class are closest to different descriptors."""
    features = torch.randn(9, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1])
    found = {}
    for modulated in (True, False):
        phrases = ("wide eyes", "open mouth", "teeth shown", "red face")
        learner = learner_of(*phrases, modulating_factor=modulated, temperature=0.2)
        found[modulated] = learner.loss_terms(Batch({"pooled": features}, labels, torch.arange(9)))["fine"]
        cosines = descriptor_cosines(features, learner.head.descriptors())
        torch.testing.assert_close(found[modulated], fine_grained_loss(cosines, labels, 0.2, modulated=modulated))
    assert found[True] != found[False]


def test_both_terms_count_alike_unless_options_say_otherwise():
    assert learner_of("wide eyes", "red face").loss_weights == {"fine": 1.0, "margin": 1.0}
    learner = learner_of("wide eyes", "red face", lambda_fine=0.5, lambda_margin=0.0)
    assert learner.loss_weights == {"fine": 0.5, "margin": 0.0}


def test_only_tokens_are_trained():
    assert [name for name, _ in learner_of("wide eyes", "red face").named_parameters()] == ["head.tokens"]


def test_truncated_and_full_context_train_with_equal_losses():
    histories = [fit(context=context, epochs=4).history for context in ("truncated", "full")]
    for truncated, full in zip(*histories, strict=True):
        for name in ("loss", "loss_fine", "loss_margin"):
            assert truncated[name] == pytest.approx(full[name], rel=1e-3, abs=1e-4)


def test_the_recipe_is_two_epochs_at_a_constant_rate():
    history = fit().history
    assert [record["lr"] for record in history] == [0.01, 0.01]


def test_the_head_holds_k_vectors_per_class_and_no_tower():
    head = fit(descriptors=3, tokens=2, temperature=0.25).head
    assert isinstance(head, DescriptorHead)
    assert head.temperature == 0.25
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {"descriptors": (7, 3, 32)}


def test_what_is_kept_gives_the_logits_of_the_prompts():
    head = learner_of("wide eyes", "open mouth", "teeth shown", "red face").head
    rows = {"pooled": np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)}
    np.testing.assert_allclose(head.as_descriptors().predict(rows), head.predict(rows), rtol=1e-5, atol=1e-4)


def test_class_names_are_not_in_the_prompts():
    """Other names, the same rows: the same descriptors."""
    source = separable_source(EXPRESSIONS[:7])
    vectors = fit(source).head.descriptors
    renamed = {name: EXPRESSIONS[(i + 1) % 7] for i, name in enumerate(EXPRESSIONS[:7])}
    source.splits = {
        split: (array, np.array([renamed[label] for label in labels]))
        for split, (array, labels) in source.splits.items()
    }
    classes = tuple(renamed[name] for name in EXPRESSIONS[:7])
    again = METD.fit(TrainingInputs(source, classes, encoder=tiny_encoder()), MetdConfig(), 0).head.descriptors
    torch.testing.assert_close(again, vectors)


def test_tokens_begin_as_normal_numbers_of_the_given_deviation():
    head = learner_of("wide eyes", "red face").head
    head.start = 0.5
    head.reset(torch.Generator().manual_seed(0))
    assert head.tokens.std().item() == pytest.approx(0.5, rel=0.2)


def test_the_nearest_words_of_every_token_are_found():
    found = fit(descriptors=2, tokens=3).diagnostics["nearest_words"]
    assert tuple(found) == EXPRESSIONS[:7]
    for descriptors in found.values():
        assert [[len(words) for words in tokens] for tokens in descriptors] == [[5] * 3] * 2
    for words in (words for descriptors in found.values() for tokens in descriptors for words in tokens):
        assert all(isinstance(word, str) and word for word, _ in words)
        distances = [distance for _, distance in words]
        assert 0 < distances[0] <= distances[-1]
        assert distances == sorted(distances)


def test_images_are_shown_by_the_descriptor_of_their_class_that_they_are_closest_to():
    """Class fear has descriptors (1, 0) and (0, 1). Rows (2, 1) and (3, 0) are closer to the first, the second of them
    most; (1, 2) to the second. The row of anger is counted there, however close it is to fear's."""
    head = DescriptorHead(spec_of(2, width=2))
    head.set_descriptors(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]]))
    features = np.array([[2, 1], [3, 0], [1, 2], [1, 0]], np.float32)
    rows = Rows({"pooled": (features,)}, torch.tensor([0, 0, 0, 1]), np.array(["a", "b", "c", "d"]))
    assert images_by_subclass(head, rows) == {
        "fear": [{"n": 2, "ids": ["b", "a"]}, {"n": 1, "ids": ["c"]}],
        "anger": [{"n": 0, "ids": []}, {"n": 1, "ids": ["d"]}],
    }


def test_no_more_than_sixteen_images_of_a_subclass_are_shown():
    head = DescriptorHead(spec_of(1, width=2))
    head.set_descriptors(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
    ids = np.array([f"{i:02}" for i in range(30)])
    found = images_by_subclass(
        head, Rows({"pooled": (np.ones((30, 2), np.float32),)}, torch.zeros(30, dtype=torch.int64), ids)
    )
    assert found["fear"] == [{"n": 30, "ids": ids[:16].tolist()}]


def test_images_by_subclass_are_those_of_the_validation_split():
    """Named by their ids, also where rows were left out before them."""
    source = separable_source(EXPRESSIONS)
    source.splits["val"][1][0] = "contempt"
    given = TrainingInputs(source, EXPRESSIONS[:7], encoder=tiny_encoder(), drop_other_labels=True)
    found = METD.fit(given, MetdConfig(), 0).diagnostics["images_by_subclass"]
    labels = dict(zip(source.ids("val").tolist(), source.labels("val").tolist(), strict=True))
    for name, of_class in found.items():
        shown = [image for subclass in of_class for image in subclass["ids"]]
        assert sum(subclass["n"] for subclass in of_class) == len(shown)
        assert sorted(shown) == sorted(image for image, label in labels.items() if label == name)
