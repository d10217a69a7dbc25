"""Every kind of text tower that open_clip has: the vectors are open_clip's own, raw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from encoder_models import BATCH_TOLERANCE, MODEL, PREPROCESS, SOON_S, load
from safetensors.torch import save_file
from transformers import BertConfig
from transformers_models import write_tokenizer

from pipeline.errors import EncoderError
from pipeline.prompts import encode_prompts

SENTENCES = ["a sad face", "a face", "a photo of a very happy person"]
SAME_MODEL_TOLERANCE = 1e-6
TEXT: dict[str, Any] = MODEL["text_cfg"]
# As open_clip's own configurations have them, but small.
CUSTOM = {"custom_text": True, "text_cfg": TEXT | {"embed_cls": True}}
SIGLIP = {
    "custom_text": True,
    "init_logit_bias": -10.0,
    "text_cfg": TEXT
    | {
        "hf_tokenizer_name": "beside the weights",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}
EOS = {"text_cfg": TEXT | {"hf_tokenizer_name": "beside the weights", "pool_type": "eos", "eos_id": 3}}
COCA = {
    "custom_text": True,
    "vision_cfg": MODEL["vision_cfg"] | {"output_tokens": True},
    "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def _transformers_text(folder: Path) -> dict[str, Any]:
    """A BERT of transformers as the text tower; its config and tokenizer lie in the folder."""
    BertConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    ).save_pretrained(folder)
    name = str(folder)
    return {
        "custom_text": True,
        "text_cfg": {
            "hf_model_name": name,
            "hf_tokenizer_name": name,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "mean_pooler",
            "context_length": 16,
        },
    }


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "own": lambda _folder: {},
    "own-eos": lambda _folder: EOS,
    "custom": lambda _folder: CUSTOM,
    "siglip": lambda _folder: SIGLIP,
    "coca": lambda _folder: COCA,
    "transformers": _transformers_text,
}


def _write(kind: str, folder: Path, seed: int = 0) -> Any:
    """A model of a kind in a folder as open_clip reads it, with a tokenizer for those that need one."""
    write_tokenizer(folder).save_pretrained(folder)
    config = MODEL | KINDS[kind](folder)
    written = json.dumps({"model_cfg": config, "preprocess_cfg": PREPROCESS})
    (folder / "open_clip_config.json").write_text(written)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False).eval()
        for name, values in model.named_parameters():
            if "text_projection" in name or name.endswith("positional_embedding"):  # they begin at almost nothing
                torch.nn.init.normal_(values, std=0.2)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_open_clips_own_and_raw(kind: str, tmp_path: Path) -> None:
    own = _write(kind, tmp_path / "model")
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'model'}")(SENTENCES)
        expected = own.encode_text(tokens, normalize=False).numpy()
    encoder = load(f"open_clip:small@{tmp_path / 'model'}")
    found = encoder.encode_text(SENTENCES)
    np.testing.assert_allclose(found, expected, atol=SAME_MODEL_TOLERANCE)
    assert found.shape == (3, MODEL["embed_dim"])
    assert np.abs(found[0] - found[1]).max() > 1000 * SAME_MODEL_TOLERANCE
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() > 1e-3, "not made unit on the way"


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_become_one_vector_a_template_and_class(kind: str, tmp_path: Path) -> None:
    _write(kind, tmp_path / "model")
    encoder = load(f"open_clip:small@{tmp_path / 'model'}")
    vectors = encode_prompts(encoder, ["a [CLS] face", "[CLS]"], ["sad", "happy", "fear"])
    assert vectors.shape == (2, 3, MODEL["embed_dim"])
    np.testing.assert_allclose(vectors[1, 2], encoder.encode_text(["fear"])[0], atol=BATCH_TOLERANCE)


def test_a_tower_that_only_the_hub_describes_is_an_error_at_once(tmp_path: Path, no_network: Path) -> None:
    """transformers alone asks for half a minute whether there is no network, and then blames the weights."""
    _write("transformers", tmp_path / "model")
    path = tmp_path / "model" / "open_clip_config.json"
    path.write_text(path.read_text().replace(f'"hf_model_name": "{tmp_path / "model"}"', '"hf_model_name": "no/body"'))
    start = time.monotonic()
    with pytest.raises(EncoderError, match=r"its text tower is described by no/body on the hub.*`hf_model_name`"):
        load(f"open_clip:small@{tmp_path / 'model'}")
    assert time.monotonic() - start < SOON_S
