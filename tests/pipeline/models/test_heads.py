import json

import numpy as np
import pytest
import torch
from memory_source import separable_source

from pipeline.errors import InputError, MismatchError
from pipeline.models.head import Head
from pipeline.models.packing import HEAD_KINDS, build_head, pack, unpack
from pipeline.models.spec import HeadSpec

CLASSES = ("fear", "anger", "neutral")
OPTIONS = {
    "feature-mask": {"hidden": 4, "sigmoid": True},
    "linear": {},
    "text-similarity": {"text_width": 5, "projection": "linear", "temperature": 0.01},
}


def make_head(kind: str, width: int = 6, **options: object) -> Head:
    spec = HeadSpec(
        kind, CLASSES, width, {"family": "fake", "size": [2, 2]}, "faces", "standard", OPTIONS[kind] | options
    )
    head = build_head(spec)
    rng = torch.Generator().manual_seed(0)
    head.reset(rng)
    head.scale.fit(torch.randn(9, width, generator=rng))
    if kind == "text-similarity":
        head.set_text(np.random.default_rng(0).standard_normal((3, head.text_width)).astype(np.float32))
    return head


@pytest.fixture(params=HEAD_KINDS)
def head(request):
    return make_head(request.param)


ROWS = np.random.default_rng(1).standard_normal((7, 6)).astype(np.float16)


def test_a_packed_head_gives_equal_logits_anywhere(head):
    state, description = pack(head)
    again = unpack(state, json.loads(json.dumps(description)))
    assert again.spec == unpack(state, description).spec
    np.testing.assert_array_equal(again.predict(ROWS), head.predict(ROWS))


def test_predict_takes_half_precision_read_only_and_no_rows(head):
    frozen = ROWS.copy()
    frozen.setflags(write=False)
    assert head.predict(frozen).dtype == np.float32
    assert head.predict(frozen).shape == (7, 3)
    assert head.predict(frozen[:0]).shape == (0, 3)


def test_predict_is_forward_in_chunks(head, monkeypatch):
    with torch.no_grad():
        whole = head(torch.tensor(ROWS, dtype=torch.float32)).numpy()
    monkeypatch.setattr("pipeline.models.head._PREDICT_ROWS", 3)
    np.testing.assert_allclose(head.predict(ROWS), whole, rtol=1e-5, atol=1e-5)


def test_a_head_scales_raw_features_itself(head):
    head.scale.mean.fill_(3.0)
    head.scale.std.fill_(2.0)
    scaled = torch.tensor((ROWS.astype(np.float32) - 3) / 2)
    with torch.no_grad():
        np.testing.assert_allclose(head.predict(ROWS), head.logits(scaled).numpy(), rtol=1e-5, atol=1e-5)


def test_a_head_refuses_another_width(head):
    with pytest.raises(MismatchError, match="expects features of width 6, found 5"):
        head(torch.zeros(1, 5))


def test_a_head_refuses_values_of_another_description(head):
    state, description = pack(head)
    with pytest.raises(MismatchError, match=r"do not fit.*Keep head.safetensors beside"):
        unpack(state, description | {"classes": ["fear", "anger"]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "oracle"}, "found 'oracle'"),
        ({"format": 2}, "expected format 1, found 2"),
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


def test_the_mask_gates_every_channel():
    """All weights 0, biases 0: the mask is sigmoid(0) = 0.5 everywhere, and without sigmoid 0."""
    features = torch.tensor([[2.0, -4.0, 6.0, 0.0, 1.0, 1.0]])
    for sigmoid, expected in ((True, features / 2), (False, features * 0)):
        head = make_head("feature-mask", sigmoid=sigmoid)
        for value in head.parameters():
            torch.nn.init.zeros_(value)
        torch.testing.assert_close(head.gate(features), expected)


def test_text_logits_are_cosines_over_the_temperature():
    """v = (3, 4) against (1, 0), (0, 2), (-3, -4): cosines 0.6, 0.8, -1; over 0.01: 60, 80, -100."""
    spec = HeadSpec(
        "text-similarity", CLASSES, 2, {}, "faces", "raw", {"text_width": 2, "projection": "none", "temperature": 0.01}
    )
    head = build_head(spec)
    head.set_text(np.array([[1, 0], [0, 2], [-3, -4]], dtype=np.float32))
    np.testing.assert_allclose(head.predict(np.array([[3.0, 4.0]])), [[60.0, 80.0, -100.0]], rtol=1e-5)


def test_a_square_projection_starts_as_zero_shot():
    head = make_head("text-similarity", width=5)
    features = torch.tensor([[1.0, -2.0, 3.0, 0.5, 4.0]])
    torch.testing.assert_close(head.embed(features), features)


def test_no_projection_between_unequal_widths_is_refused():
    with pytest.raises(MismatchError, match=r"as wide as the text, 5, found 6.*projection: linear"):
        make_head("text-similarity", projection="none")
