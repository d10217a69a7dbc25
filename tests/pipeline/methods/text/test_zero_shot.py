from dataclasses import replace

import numpy as np
import pytest
from memory_source import separable_source, text_for

from pipeline.errors import MismatchError
from pipeline.learning.method import TrainingInputs
from pipeline.methods.text.heads import TextSimilarityHead
from pipeline.methods.text.options import ZeroShotConfig
from pipeline.methods.text.train import ZERO_SHOT
from pipeline.text_features import TextFeatures


def fit(text=None, source=None, **options):
    source = source or separable_source()
    text = text or text_for(source.classes)
    return ZERO_SHOT.fit(TrainingInputs(source, source.classes, text), ZeroShotConfig(**options), 0)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


ROWS = separable_source().features("val")
VECTORS = text_for(separable_source().classes).vectors  # (2, C, D)
TEXTS = {
    "last": unit(VECTORS[1]),
    0: unit(VECTORS[0]),
    "ensemble": unit(unit(VECTORS).mean(axis=0)),
}


@pytest.mark.parametrize("prompt", TEXTS)
def test_logits_are_cosines_over_the_temperature(prompt):
    logits = fit(prompt=prompt, temperature=0.5).head.predict({"pooled": ROWS})
    np.testing.assert_allclose(logits, unit(ROWS) @ TEXTS[prompt].T / 0.5, rtol=1e-4, atol=1e-5)


def test_an_ensemble_of_logits_is_the_mean_of_its_templates_logits():
    """And not the logits of the mean vector, which is as long as any other only in an ensemble of embeddings."""
    logits = fit(prompt="logit-ensemble").head.predict({"pooled": ROWS})
    of_templates = [fit(prompt=index).head.predict({"pooled": ROWS}) for index in (0, 1)]
    np.testing.assert_allclose(logits, np.mean(of_templates, axis=0), rtol=1e-4, atol=1e-3)
    assert np.abs(logits - fit(prompt="ensemble").head.predict({"pooled": ROWS})).max() > 1e-3


def test_one_record_is_its_history_and_nothing_is_trained():
    fitted = fit()
    assert [set(record) for record in fitted.history] == [{"epoch", "val_accuracy", "val_uar"}]
    assert fitted.selected_epoch == 1
    assert isinstance(fitted.head, TextSimilarityHead)
    assert not list(fitted.head.parameters())
    assert not ZeroShotConfig.is_random


def test_the_temperature_of_the_papers_is_the_default():
    assert ZeroShotConfig().temperature == 0.01


def test_text_of_another_width_is_refused_with_what_to_do():
    source = separable_source()
    encoder = source.encoder["encoder"]
    wide = TextFeatures(np.ones((1, 7, 40), np.float32), source.classes, ("a [CLS]",), encoder, "wide")
    message = r"as wide as the text, 40, found 32\. Use a head with a projection .*, or the text of the same encoder"
    with pytest.raises(MismatchError, match=message):
        fit(wide, source)


def test_text_of_another_model_is_refused_however_wide():
    other = {"family": "transformers", "architecture": "blip", "weights": "b1"}
    text = replace(text_for(separable_source().classes), encoder=other)
    message = r"of the model that made the features, open_clip:tiny .* found vectors of transformers:blip .*own encoder"
    with pytest.raises(MismatchError, match=message):
        fit(text)


@pytest.mark.parametrize("select_by", ["accuracy", "uar", "last"])
def test_what_selects_among_epochs_changes_nothing(select_by):
    heard = []
    source = separable_source()
    given = TrainingInputs(source, source.classes, text_for(source.classes))
    fitted = ZERO_SHOT.fit(given, ZeroShotConfig(select_by=select_by), 0, heard.append)
    assert fitted.history == fit().history
    score = "uar" if select_by == "uar" else "accuracy"
    assert heard[-1].note == f"val {score} {fitted.history[0][f'val_{score}']:.4f}"


def test_text_is_taken_by_name_not_by_place():
    source = separable_source()
    text = text_for(source.classes)
    turned = replace(text, classes=source.classes[::-1], vectors=text.vectors[:, ::-1])
    np.testing.assert_array_equal(
        fit(turned, source).head.predict({"pooled": ROWS}), fit(text, source).head.predict({"pooled": ROWS})
    )
