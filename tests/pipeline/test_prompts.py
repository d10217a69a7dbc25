"""Sentences hold the class once, in the template's order, and vectors keep that order."""

from __future__ import annotations

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from pipeline.errors import ConfigError
from pipeline.labels import EXPRESSIONS
from pipeline.prompts import PROMPT_SETS, encode_prompts, sentences, templates


@pytest.mark.parametrize("prompt_set", PROMPT_SETS)
def test_every_template_makes_one_sentence_a_class(prompt_set: str) -> None:
    for template in templates(prompt_set):
        made = sentences(template, EXPRESSIONS)
        assert len(set(made)) == len(EXPRESSIONS)
        assert all(name in sentence and "[" not in sentence for name, sentence in zip(EXPRESSIONS, made, strict=True))


def test_kefer_has_its_nine_templates_and_the_default_is_the_last() -> None:
    assert len(set(templates("kefer"))) == 9
    assert templates("kefer")[-1] == "A photo of a person making a [CLS] facial expression."


def test_an_unknown_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="expected one of kefer, clip, found 'clop'"):
        templates("clop")


def test_a_template_without_a_blank_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'a face' has no \[CLS\]"):
        sentences("a face", ["fear"])


def test_vectors_stand_by_template_and_class() -> None:
    """FakeEncoder gives (length, number of a): `sad a` is (5, 2), `an anger` (8, 2)."""
    vectors = encode_prompts(FakeEncoder(), ["[CLS] a", "an [CLS]"], ["sad", "anger"])
    assert (vectors.shape, vectors.dtype) == ((2, 2, 2), np.float32)
    np.testing.assert_array_equal(vectors, [[[5, 2], [7, 2]], [[6, 2], [8, 2]]])


def test_no_template_gives_no_vector_and_asks_no_encoder() -> None:
    class Mute(FakeEncoder):
        def encode_text(self, prompts: object) -> np.ndarray:
            raise AssertionError("not to be asked")

    assert encode_prompts(Mute(), [], EXPRESSIONS).shape == (0, len(EXPRESSIONS), 0)
