"""Sentences hold the class once, in the template's order, and vectors keep that order."""

from __future__ import annotations

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from pipeline.errors import ConfigError, LabelError
from pipeline.prompts import PROMPT_SETS, check_template, encode_prompts, sentences, templates
from pipeline.tables.labels import EXPRESSIONS, canonical


@pytest.mark.parametrize("prompt_set", PROMPT_SETS)
def test_every_template_makes_one_sentence_a_class(prompt_set: str) -> None:
    for template in templates(prompt_set):
        made = sentences(template, EXPRESSIONS)
        assert len(set(made)) == len(EXPRESSIONS)
        assert not any("[" in sentence for sentence in made)
        assert all(
            name in map(_canonical_or_empty, sentence.strip(".").replace(":", "").split())
            for name, sentence in zip(EXPRESSIONS, made, strict=True)
        )


def _canonical_or_empty(word: str) -> str:
    try:
        return canonical(word)
    except LabelError:
        return ""


def test_kefer_has_its_nine_templates_and_the_default_is_the_last() -> None:
    assert len(set(templates("kefer"))) == 9
    assert templates("kefer")[-1] == "A photo of a person making a [CLS] facial expression."


def test_clips_ensemble_for_faces_takes_adjectives() -> None:
    assert len(set(templates("clip-faces"))) == 6
    assert sentences(templates("clip-faces")[0], ["fear", "contempt"]) == [
        "a photo of a fearful looking face.",
        "a photo of a contemptuous looking face.",
    ]


def test_a_template_may_hold_noun_and_adjective() -> None:
    assert sentences("[ADJ], that is [CLS]", ["anger"]) == ["angry, that is anger"]


def test_an_adjective_of_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no adjective is known for 'boredom'\. Use \[CLS\]"):
        sentences("a [ADJ] face", ["boredom"])


def test_an_unknown_set_is_refused_with_the_known_ones_and_the_nearest() -> None:
    known = "kefer, clip, clip-faces, cliper, names, mine"
    with pytest.raises(ConfigError, match=rf"expected one of {known}, found 'clop'\. Did you mean 'clip'\?"):
        templates("clop", {"mine": ["a [CLS]"]})


def test_a_set_of_ones_own_is_found_by_its_name() -> None:
    assert templates("mine", {"mine": ["a [CLS]", "[ADJ]"]}) == ("a [CLS]", "[ADJ]")


def test_a_template_without_a_placeholder_is_refused() -> None:
    message = r"'a face' has no \[CLS\] for the class's noun \(happiness\), nor \[ADJ\]"
    with pytest.raises(ConfigError, match=message):
        sentences("a face", ["fear"])
    with pytest.raises(ConfigError, match=message):
        check_template("a face")


def test_vectors_are_ordered_by_template_and_class() -> None:
    """FakeEncoder gives (length, number of a): `sad a` is (5, 2), `an anger` (8, 2)."""
    vectors = encode_prompts(FakeEncoder(), ["[CLS] a", "an [CLS]"], ["sad", "anger"])
    assert (vectors.shape, vectors.dtype) == ((2, 2, 2), np.float32)
    np.testing.assert_array_equal(vectors, [[[5, 2], [7, 2]], [[6, 2], [8, 2]]])


def test_no_template_gives_no_vector_and_calls_no_encoder() -> None:
    class Mute(FakeEncoder):
        def encode_text(self, prompts: object) -> np.ndarray:
            raise AssertionError("must not be called")

    assert encode_prompts(Mute(), [], EXPRESSIONS).shape == (0, len(EXPRESSIONS), 0)
