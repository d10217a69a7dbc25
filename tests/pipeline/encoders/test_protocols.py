"""What encoders offer, asked for in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from encoder_models import load
from fake_encoder import FakeEncoder

from pipeline.encoders.prompt_tower import PromptEncoder, require_prompts
from pipeline.encoders.protocols import (
    Encoder,
    ImageEncoder,
    TextEncoder,
    encodes_images,
    encodes_text,
    require_image_encoder,
    require_text_encoder,
)
from pipeline.encoders.text_encoder import TorchTextEncoder
from pipeline.encoders.torch_encoder import TorchEncoder, require_torch_encoder, resolve_device
from pipeline.errors import EncoderError


class Texts:
    """A text encoder with no torch and nothing of images."""

    note, trained_on, precision, device = "", (), "float32", "cpu"

    def __init__(self) -> None:
        self.identity = {"family": "own", "architecture": "lengths"}
        self.text_identity: dict[str, str] = {}

    def encode_text(self, prompts: Any) -> Any:
        return [[len(prompt)] for prompt in prompts]


def sentences_only() -> TorchTextEncoder:
    return TorchTextEncoder({"family": "f", "architecture": "a"}, resolve_device("cpu"), lambda _: None)  # type: ignore[arg-type, return-value]


def members(protocol: type) -> set[str]:
    return {name for name in dir(protocol) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("new", "protocols", "others"),
    [
        (lambda: load("untrained"), [Encoder, ImageEncoder, TextEncoder, PromptEncoder], []),
        (lambda: load("untrained").reference(), [Encoder, ImageEncoder, TextEncoder, PromptEncoder], []),
        (sentences_only, [Encoder, TextEncoder], [ImageEncoder]),
        (FakeEncoder, [Encoder, ImageEncoder, TextEncoder], []),
        (Texts, [Encoder, TextEncoder], [ImageEncoder]),
    ],
)
def test_an_encoder_has_what_it_offers_and_nothing_else(
    new: Callable[[], Any], protocols: list[type], others: list[type]
) -> None:
    encoder = new()
    has = {name for name, _ in inspect.getmembers_static(encoder)} | set(vars(encoder))
    for protocol in protocols:
        assert members(protocol) <= has
    for protocol in others:
        assert not (members(protocol) - members(Encoder)) & has
    assert encodes_images(encoder) == (ImageEncoder in protocols)


def test_no_property_is_computed_to_know_what_an_encoder_offers() -> None:
    class Lazy(FakeEncoder):
        @property
        def text_identity(self) -> Any:
            raise AssertionError("a tokenizer would be loaded")

    assert encodes_images(Lazy())
    assert encodes_text(Lazy())


def test_the_wrong_one_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        EncoderError, match=r"own:lengths reads sentences only, no images\. Extract features with an open_clip or timm"
    ):
        require_image_encoder(Texts())
    with pytest.raises(EncoderError, match=r"f:a has no text tower\. Heads that need text work with an open_clip"):
        require_text_encoder(_image_only())
    with pytest.raises(EncoderError, match=r"f:a has no text tower\. Heads that need text work with an open_clip"):
        require_prompts(_image_only())


def test_prompts_need_a_text_tower_that_they_can_be_learned_in() -> None:
    with pytest.raises(EncoderError, match=r"own:lengths: prompts are learned in open_clip's own .* found Texts\. Use"):
        require_prompts(Texts())


def test_a_network_that_is_trained_has_to_be_a_torch_module() -> None:
    encoder = _image_only()
    assert require_torch_encoder(encoder) is encoder
    with pytest.raises(EncoderError, match=r"fake:projection: expected an encoder .* torch module, found FakeEncoder"):
        require_torch_encoder(FakeEncoder())


def _image_only() -> TorchEncoder:
    encoder = load("untrained")
    return TorchEncoder({"family": "f", "architecture": "a"}, encoder.preprocess, encoder.tower, encoder.torch_device)
