"""Loads `mini`, the small image-text model that the package carries. Nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.encoders.families.clip_tokenizer import clip_tokenizer
from pipeline.encoders.families.embedded_family import MINI_FOLDER
from pipeline.encoders.families.mini_model import MiniModel, MiniTower
from pipeline.encoders.families.open_clip_config import config_identity, parse_config
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.prompt_tower import PromptTower
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.text_encoder import PromptableEncoder
from pipeline.encoders.tokenizer_identity import tokenizer_content
from pipeline.encoders.weight_names import OPEN_CLIP_CONFIG
from pipeline.encoders.weights import read_tensors, reading_weights
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, silent
from pipeline.regular_files import read_json

__all__ = ["load_mini"]

_NOTE = "mini: a small stand-in that the package carries; its numbers say nothing about CLIP"
_VISION = {"timm_model_name": "tf_efficientnet_lite0", "timm_pool": "avg", "timm_proj": "mlp", "timm_proj_bias": True}


def load_mini(
    spec: EncoderSpec, device: torch.device, _on_progress: OnProgress = silent, folder: Path = MINI_FOLDER
) -> PromptableEncoder:
    """EfficientNet-Lite0 and a small text tower tuned on faces: the weights that the folder's about.json names.

    examples/embedded-encoder makes them again; a model card is in the same folder.

    Raises
    ------
    EncoderError
        If the weights are missing, damaged, or of another version or architecture.
    """
    about: dict[str, Any] = json.loads((folder / "about.json").read_text("utf-8"))
    weights = folder / "open_clip_model.safetensors"
    _check_weights(weights, about)
    path = folder / OPEN_CLIP_CONFIG
    config, preprocess = parse_config(read_json(path), str(path))
    _check_architecture(path, config)
    model = _read(weights, config).eval().requires_grad_(False).to(device)
    n_positions: int = config["text_cfg"]["context_length"]

    @cache
    def tokenizer() -> Any:
        return clip_tokenizer(n_positions)

    def text_tower(prompts: Sequence[str]) -> Tensor:
        tokens: Tensor = tokenizer()(list(prompts))
        return model.encode_text(tokens.to(device))

    def prompts() -> PromptTower:
        return PromptTower(model.text_parts, tokenizer(), tokenizer().decode, model.logit_scale.exp().item())

    return PromptableEncoder(
        identity={
            "family": "open_clip",
            "architecture": spec.architecture,
            **config_identity(config),
            "weights": file_sha256(weights),
        },
        preprocess=preprocess,
        tower=MiniTower(model),
        torch_device=device,
        text_tower=text_tower,
        note=_NOTE,
        trained_on=tuple(about["saw"]),
        new_text_identity=lambda: {"tokenizer": tokenizer_content(tokenizer())},
        new_prompts=prompts,
    )


def _check_weights(weights: Path, about: Mapping[str, Any]) -> None:
    if not weights.is_file():
        raise EncoderError(f"the embedded encoder mini: no file at {weights}. Install fer-stage again")
    if (actual := file_sha256(weights)) != about["sha256"]:
        raise EncoderError(
            f"{weights}: expected the weights of mini {about['version']} (sha256 {about['sha256'][:12]}), found "
            f"{weights.stat().st_size} bytes with sha256 {actual[:12]}: they are damaged or of another version. "
            "Install fer-stage again"
        )


def _check_architecture(path: Path, config: Mapping[str, Any]) -> None:
    vision = {name: value for name, value in config["vision_cfg"].items() if name != "image_size"}
    if vision != _VISION or config.get("quick_gelu"):
        raise EncoderError(f"{path}: expected vision_cfg {_VISION}, found {vision}. Install fer-stage again")


def _read(weights: Path, config: Mapping[str, Any]) -> MiniModel:
    """The model in float32, from weights in half precision; without drawing weights that are replaced at once."""
    with reading_weights(weights), torch.device("meta"):
        model = MiniModel(config)
    with reading_weights(weights):
        tensors = {
            name: value.float() if value.is_floating_point() else value for name, value in read_tensors(weights).items()
        }
        model.load_state_dict(tensors, strict=True, assign=True)
    return model
