"""The encoders that need neither a network nor a file of the user's: stand-ins for CLIP, marked as such."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch

from pipeline.encoders.families.embedded_family import MINI_FOLDER, UNTRAINED_CONFIG
from pipeline.encoders.families.open_clip_encoder import build_encoder, load_open_clip, parse_config
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.text_encoder import PromptableEncoder
from pipeline.encoders.weights import state_sha256
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, silent

__all__ = ["load_mini", "load_untrained"]

_MINI_NOTE = "mini: a small stand-in that the package carries; its numbers say nothing about CLIP"
_UNTRAINED_NOTE = "untrained: seeded random weights, knows nothing about faces; its numbers say nothing about CLIP"
_UNTRAINED_SEED = 0


def load_mini(
    spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent, folder: Path = MINI_FOLDER
) -> PromptableEncoder:
    """EfficientNet-Lite0 and a small text tower tuned on faces: the weights that the folder's about.json names.

    examples/embedded-encoder makes them again; a model card is in the same folder. Nothing is downloaded.

    Raises
    ------
    EncoderError
        If the weights are missing, damaged, or of another version.
    """
    about: dict[str, Any] = json.loads((folder / "about.json").read_text("utf-8"))
    _check_weights(folder / "open_clip_model.safetensors", about)
    with torch.random.fork_rng(devices=[]):  # open_clip draws weights before it reads them
        encoder = load_open_clip(EncoderSpec("open_clip", spec.architecture, path=folder), device, on_progress)
    return replace(encoder, note=_MINI_NOTE, trained_on=tuple(about["saw"]))


def _check_weights(weights: Path, about: Mapping[str, Any]) -> None:
    if not weights.is_file():
        raise EncoderError(f"the embedded encoder mini: no file at {weights}. Install fer-stage again")
    if (actual := file_sha256(weights)) != about["sha256"]:
        raise EncoderError(
            f"{weights}: expected the weights of mini {about['version']} (sha256 {about['sha256'][:12]}), found "
            f"{weights.stat().st_size} bytes with sha256 {actual[:12]}: they are damaged or of another version. "
            "Install fer-stage again"
        )


def load_untrained(spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent) -> PromptableEncoder:
    """A small open_clip model with seeded random weights: knows nothing."""
    config, preprocess = parse_config(json.loads(UNTRAINED_CONFIG.read_text()), str(UNTRAINED_CONFIG))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_UNTRAINED_SEED)  # torch.manual_seed would reach the GPUs' too
        model = open_clip.CLIP(**config)
    tokenizer = partial(open_clip.SimpleTokenizer, context_length=config["text_cfg"]["context_length"])
    return build_encoder(
        model, tokenizer, config, spec.architecture, state_sha256(model), preprocess, device, note=_UNTRAINED_NOTE
    )
