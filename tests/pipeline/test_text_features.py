import numpy as np
import pytest

from pipeline.errors import ConfigError, InputError, MismatchError
from pipeline.text_features import TextFeatures


def make(vectors, classes=("fear", "anger"), templates=("a {} face", "a photo of {}")):
    return TextFeatures(np.array(vectors, dtype=np.float32), classes, templates, {"family": "fake"}, "key0")


@pytest.mark.parametrize("other", [{"family": "other"}, {"family": "fake", "weights": "w1"}, {}])
def test_only_the_model_that_made_them_shares_their_space(other):
    text = make(TWO)
    assert text.shares_space_with({"family": "fake"})
    text.require_space_of({"family": "fake"})
    assert not text.shares_space_with(other)
    with pytest.raises(
        MismatchError,
        match=r"expected vectors of the model that made the features.*the text of the features' own encoder",
    ):
        text.require_space_of(other)


TWO = [[[3, 4], [0, 2]], [[4, -3], [0, 5]]]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [(0, [[0.6, 0.8], [0, 1]]), (1, [[0.8, -0.6], [0, 1]]), ("last", [[0.8, -0.6], [0, 1]])],
)
def test_a_chosen_template_gives_its_unit_vectors(prompt, expected):
    np.testing.assert_allclose(make(TWO).chosen(prompt), expected, rtol=1e-6)


def test_ensemble_weighs_templates_equally_whatever_their_length():
    """fear: (0.6, 0.8) and (0.8, -0.6), mean (0.7, 0.1), norm 0.707107: (0.989949, 0.141421)."""
    np.testing.assert_allclose(make(TWO).chosen("ensemble"), [[0.989949, 0.141421], [0, 1]], rtol=1e-5)


def test_for_classes_reorders_and_selects():
    text = make(TWO).for_classes(("anger", "fear"))
    assert text.classes == ("anger", "fear")
    np.testing.assert_array_equal(text.vectors[0], [[0, 2], [3, 4]])
    assert make(TWO).for_classes(("anger",)).vectors.shape == (2, 1, 2)


def test_a_missing_class_is_named():
    with pytest.raises(MismatchError, match="found none of neutral"):
        make(TWO).for_classes(("fear", "neutral"))


def test_an_unknown_template_is_refused():
    with pytest.raises(ConfigError, match="a template below 2, found 2"):
        make(TWO).chosen(2)


@pytest.mark.parametrize("vectors", [TWO[:1], [[[3, 4], [0, 0]], TWO[1]], [[[3, 4], [0, np.nan]], TWO[1]]])
def test_vectors_that_cannot_be_compared_are_refused(vectors):
    with pytest.raises(InputError, match="Encode the prompts again"):
        make(vectors)
