"""The encoders that need neither a network nor a file of the user's: stand-ins for CLIP, and they say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch

from pipeline.encoders.families.open_clip_encoder import assembled, load_open_clip, parse_config
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import MINI, UNTRAINED, EncoderSpec
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.encoders.weights import state_sha256
from pipeline.errors import EncoderError

__all__ = ["CARRIED", "load_embedded", "load_mini"]

CARRIED = Path(__file__).with_name("mini")  # a folder of open_clip's form, with about.json and a model card
_MINI_NOTE = "mini: a small stand-in that the package carries; its numbers say nothing about CLIP"
_UNTRAINED_CONFIG = Path(__file__).with_name("untrained.json")
_UNTRAINED_NOTE = "untrained: seeded random weights, knows nothing about faces; its numbers say nothing about CLIP"
_UNTRAINED_SEED = 0


def load_embedded(spec: EncoderSpec, device: torch.device) -> TorchEncoder:
    """`mini`, EfficientNet-Lite0 and a small text tower tuned on faces, or `untrained`, which has random weights.

    examples/embedded-encoder makes mini again; its model card lies beside its weights.
    """
    return load_mini(device) if spec.family == MINI else _load_untrained(device)


def load_mini(device: torch.device, folder: Path = CARRIED) -> TorchEncoder:
    """The embedded encoder, whose weights must be those that the folder's about.json names.

    Raises
    ------
    EncoderError
        If the weights are missing, damaged, or of another version.
    """
    about: dict[str, Any] = json.loads((folder / "about.json").read_text("utf-8"))
    _check_weights(folder / "open_clip_model.safetensors", about)
    with torch.random.fork_rng(devices=[]):  # open_clip draws weights before it reads them
        encoder = load_open_clip(EncoderSpec("open_clip", MINI, path=folder), device)
    return replace(encoder, note=_MINI_NOTE, saw=tuple(about["saw"]))


def _check_weights(weights: Path, about: Mapping[str, Any]) -> None:
    if not weights.is_file():
        raise EncoderError(f"the embedded encoder mini: no file at {weights}. Install fer-stage again")
    if (found := file_sha256(weights)) != about["sha256"]:
        raise EncoderError(
            f"{weights}: expected the weights of mini {about['version']} (sha256 {about['sha256'][:12]}), found "
            f"{weights.stat().st_size} bytes with sha256 {found[:12]}: they are damaged or of another version. "
            "Install fer-stage again"
        )


def _load_untrained(device: torch.device) -> TorchEncoder:
    config, preprocess = parse_config(json.loads(_UNTRAINED_CONFIG.read_text()), str(_UNTRAINED_CONFIG))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_UNTRAINED_SEED)  # torch.manual_seed would reach the GPUs' too
        model = open_clip.CLIP(**config)
    tokenizer = partial(open_clip.SimpleTokenizer, context_length=config["text_cfg"]["context_length"])
    return assembled(model, tokenizer, config, UNTRAINED, state_sha256(model), preprocess, device, note=_UNTRAINED_NOTE)
