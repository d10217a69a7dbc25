import json

import numpy as np
import pytest
import torch
from memory_source import separable_source

from pipeline.errors import InputError, MismatchError
from pipeline.learning.head import Head
from pipeline.learning.spec import HeadSpec
from pipeline.methods.packing import build_head, pack, unpack

CLASSES = ("fear", "anger", "neutral")
OPTIONS = {
    "feature-mask": {"hidden": 4, "sigmoid": True, "bias": True},
    "linear": {},
    "text-similarity": {"text_width": 5, "projection": "linear", "temperature": 0.01, "aligned": True},
}


def make_head(kind: str, width: int = 6, **options: object) -> Head:
    inputs, encoder = {"pooled": (width,)}, {"family": "fake", "size": [2, 2]}
    spec = HeadSpec(kind, CLASSES, inputs, encoder, "faces", "standard", OPTIONS[kind] | options)
    head = build_head(spec)
    rng = torch.Generator().manual_seed(0)
    head.reset(rng)
    head.scale.fit(torch.randn(9, width, generator=rng))
    if kind == "text-similarity":
        head.set_text(np.random.default_rng(0).standard_normal((3, head.text_width)).astype(np.float32))
    return head


@pytest.fixture(params=OPTIONS)
def head(request):
    return make_head(request.param)


ROWS = {"pooled": np.random.default_rng(1).standard_normal((7, 6)).astype(np.float16)}


def test_a_packed_head_gives_equal_logits_anywhere(head):
    state, description = pack(head)
    again = unpack(state, json.loads(json.dumps(description)))
    assert again.spec == unpack(state, description).spec
    np.testing.assert_array_equal(again.predict(ROWS), head.predict(ROWS))


def test_predict_takes_half_precision_read_only_and_no_rows(head):
    frozen = ROWS["pooled"].copy()
    frozen.setflags(write=False)
    assert head.predict({"pooled": frozen}).dtype == np.float32
    assert head.predict({"pooled": frozen}).shape == (7, 3)
    assert head.predict({"pooled": frozen[:0]}).shape == (0, 3)


def test_predict_is_forward_in_chunks(head, monkeypatch):
    with torch.no_grad():
        whole = head({"pooled": torch.tensor(ROWS["pooled"]).float()}).numpy()
    monkeypatch.setattr(type(head), "predict_rows", 3)
    np.testing.assert_allclose(head.predict(ROWS), whole, rtol=1e-5, atol=1e-5)


def test_a_head_scales_raw_features_itself(head):
    scaled = {"pooled": (ROWS["pooled"].astype(np.float32) - 3) / 2}
    head.scale.mean.zero_()
    head.scale.std.fill_(1.0)
    expected = head.predict(scaled)
    head.scale.mean.fill_(3.0)
    head.scale.std.fill_(2.0)
    np.testing.assert_allclose(head.predict(ROWS), expected, rtol=1e-5, atol=1e-5)


def test_a_head_refuses_another_width(head):
    with pytest.raises(MismatchError, match=r"expects pooled of shape \(6,\), found \(5,\)"):
        head({"pooled": torch.zeros(1, 5)})
    with pytest.raises(MismatchError, match=r"expects pooled of shape \(6,\), found none"):
        head({"tokens": torch.zeros(1, 6)})


def test_a_head_refuses_values_of_another_description(head):
    state, description = pack(head)
    with pytest.raises(MismatchError, match=r"do not fit.*Keep head.safetensors beside"):
        unpack(state, description | {"classes": ["fear", "anger"]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "oracle"}, "found 'oracle'"),
        ({"format": 1}, "expected format 2, found 1. Train the head again"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_unknown_description_is_refused(change, words):
    state, description = pack(make_head("linear"))
    with pytest.raises(InputError, match=words):
        unpack(state, description | change)


def test_other_bytes_are_refused():
    _, description = pack(make_head("linear"))
    with pytest.raises(InputError, match="expected safetensors"):
        unpack(b"not a head", description)


def test_an_encoder_that_differs_is_named_field_by_field():
    source = separable_source(width=6)
    source.encoder = {"family": "fake", "size": (2, 3)}
    with pytest.raises(MismatchError, match=r"size: expected \[2, 2\], found \[2, 3\]"):
        make_head("linear").require(source)


def test_tuples_and_lists_are_one_encoder():
    source = separable_source(width=6)
    source.encoder = {"family": "fake", "size": (2, 2)}
    make_head("linear").require(source)


def test_text_logits_are_cosines_over_the_temperature():
    """v = (3, 4) against (1, 0), (0, 2), (-3, -4): cosines 0.6, 0.8, -1; over 0.01: 60, 80, -100."""
    spec = HeadSpec(
        "text-similarity",
        CLASSES,
        {"pooled": (2,)},
        {},
        "faces",
        options={"text_width": 2, "projection": "none", "temperature": 0.01},
    )
    head = build_head(spec)
    head.set_text(np.array([[1, 0], [0, 2], [-3, -4]], dtype=np.float32))
    np.testing.assert_allclose(head.predict({"pooled": np.array([[3.0, 4.0]])}), [[60.0, 80.0, -100.0]], rtol=1e-5)


def text_head(vectors):
    options = {"text_width": 2, "projection": "none", "temperature": 1.0}
    head = build_head(HeadSpec("text-similarity", CLASSES[:2], {"pooled": (2,)}, {}, "faces", options=options))
    head.set_text(np.array(vectors, dtype=np.float32))
    return head


def test_a_class_of_several_texts_gets_the_mean_of_their_cosines():
    """v = (3, 4). Class 0: (1, 0) and (0, 5), cosines 0.6 and 0.8, mean 0.7; class 1: (-2, 0) twice, -0.6. The mean
    vector (0.5, 0.5) at unit length would give 0.9899."""
    head = text_head([[[1, 0], [-2, 0]], [[0, 5], [-2, 0]]])
    np.testing.assert_allclose(head.predict({"pooled": np.array([[3.0, 4.0]])}), [[0.7, -0.6]], rtol=1e-5)


def test_lengths_of_texts_do_not_matter():
    rows = {"pooled": np.array([[3.0, 4.0]])}
    np.testing.assert_allclose(
        text_head([[1, 0], [0, 1]]).predict(rows), text_head([[7, 0], [0, 0.1]]).predict(rows), rtol=1e-6
    )


def test_a_square_projection_starts_as_zero_shot_where_text_and_features_are_of_one_model():
    features = torch.tensor([[1.0, -2.0, 3.0, 0.5, 4.0]])
    torch.testing.assert_close(make_head("text-similarity", width=5).embed(features), features)
    assert not torch.allclose(make_head("text-similarity", width=5, aligned=False).embed(features), features)


def test_no_projection_between_unequal_widths_is_refused():
    with pytest.raises(MismatchError, match=r"as wide as the text, 5, found 6.*projection: linear"):
        make_head("text-similarity", projection="none")
