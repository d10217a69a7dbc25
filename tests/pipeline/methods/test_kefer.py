import numpy as np
import pytest
import torch
from memory_source import separable_source, text_for

from pipeline.errors import ConfigError, MismatchError
from pipeline.methods.configs import KeferConfig
from pipeline.methods.kefer import METHOD, KeferLearner
from pipeline.models.spec import HeadSpec
from pipeline.models.text import TextSimilarityHead

CLASSES = ("fear", "anger", "neutral")


def learner(**options):
    """Features are v itself; texts (1, 0), (0, 1), (-1, 0); the neutral network gives n = (0, 5) for any face."""
    text_options = {"text_width": 2, "projection": "none", "temperature": 0.1}
    head = TextSimilarityHead(HeadSpec("text-similarity", CLASSES, 2, {}, "faces", "raw", text_options))
    head.set_text(np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32))
    made = KeferLearner(head, KeferConfig(temperature=0.1, **options), torch.Generator().manual_seed(0))
    for value in made.to_neutral.parameters():
        torch.nn.init.zeros_(value)
    with torch.no_grad():
        made.to_neutral[2].bias.copy_(torch.tensor([0.0, 5.0]))
    return made


def terms(made, features, labels):
    return made.terms(torch.tensor(features), torch.tensor(labels), torch.Generator())


ROWS, LABELS = [[3.0, 4.0], [1.0, 2.0]], [0, 2]


def test_the_three_terms_of_one_emotional_and_one_neutral_row():
    """s: row 1 cosines (0.6, 0.8, -0.6) / 0.1, true 0: ln(e^6 + e^8 + e^-6) - 6 = 2.126929; row 2 cosines
    (0.447214, 0.894427, -0.447214) / 0.1, true 2: 8.944272 + ln(1 + e^-4.472136 + e^-13.416408) + 4.472136
    = 13.427772. Mean 7.777351.
    t: row 1 only: dv = (3, -1), dt = (1, 0) - (-1, 0) = (2, 0): 1 - 3 / sqrt(10) = 0.051317.
    c: row 1 only: cos(t, n) = 0, cos(t, v) = 0.6: 0 - 0.6 + 2 = 1.4."""
    found = {name: term.item() for name, term in terms(learner(), ROWS, LABELS).items()}
    assert found == pytest.approx({"s": 7.777351, "t": 0.051317, "c": 1.4}, abs=1e-5)


def test_normalised_difference_compares_directions():
    """v / |v| = (0.6, 0.8), n / |n| = (0, 1): dv = (0.6, -0.2), the same direction as (3, -1); with n = (0, 4)
    raw dv = (3, 0) and t = 0, normalised dv = (0.6, -0.2) and t = 0.051317."""
    for normalise, expected in ((False, 0.0), (True, 0.051317)):
        made = learner(normalise_difference=normalise)
        with torch.no_grad():
            made.to_neutral[2].bias.copy_(torch.tensor([0.0, 4.0]))
        assert terms(made, ROWS, LABELS)["t"].item() == pytest.approx(expected, abs=1e-5)


def test_a_batch_of_neutral_faces_trains_similarity_alone():
    made = learner()
    features = torch.tensor(ROWS, requires_grad=True)
    found = made.terms(features, torch.tensor([2, 2]), torch.Generator())
    assert (found["t"].item(), found["c"].item()) == (0.0, 0.0)
    (found["t"] + found["c"]).backward()
    assert not features.grad.any()
    assert all(value.grad is not None and not value.grad.any() for value in made.to_neutral.parameters())
    assert found["s"].isfinite()


def test_loss_factors_and_temperature_follow_the_options():
    made = learner(lambda_s=2.0, lambda_t=0.5, lambda_c=0.0)
    assert made.weights == {"s": 2.0, "t": 0.5, "c": 0.0}
    assert KeferConfig().temperature == 0.01


@pytest.mark.parametrize(("prompt", "vectors"), [("ensemble", "ensemble"), (1, "template")])
def test_the_head_carries_the_chosen_text(prompt, vectors):
    source, text = separable_source(), text_for(separable_source().classes)
    head = METHOD.fit(source, KeferConfig(epochs=1, prompt=prompt), source.classes, 0, text).head
    expected = text.ensemble() if vectors == "ensemble" else text.template(1)
    np.testing.assert_array_equal(head.text.numpy(), expected)


def test_text_is_taken_by_name_not_by_place():
    source = separable_source()
    text = text_for(tuple(reversed(source.classes)))
    head = METHOD.fit(source, KeferConfig(epochs=1), source.classes, 0, text).head
    np.testing.assert_array_equal(head.text.numpy(), text.ensemble()[::-1])


def test_text_without_a_class_is_refused():
    source = separable_source()
    with pytest.raises(MismatchError, match="found none of neutral"):
        METHOD.fit(source, KeferConfig(), source.classes, 0, text_for(source.classes[:6]))


def test_classes_without_neutral_are_refused():
    source = separable_source(("fear", "anger"))
    with pytest.raises(ConfigError, match="expected neutral among the classes, found fear, anger"):
        METHOD.fit(source, KeferConfig(), source.classes, 0, text_for(source.classes))


def test_without_projection_the_head_is_zero_shot():
    source = separable_source(width=24)
    text = text_for(source.classes)
    fitted = METHOD.fit(source, KeferConfig(epochs=2, projection="none"), source.classes, 0, text)
    rows = source.features("val")
    cosines = rows @ text.ensemble().T / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.head.predict(rows), cosines * 100, rtol=1e-4, atol=1e-3)
    assert fitted.selected_epoch == 1
