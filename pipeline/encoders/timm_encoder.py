"""Image towers of timm, with weights from a file."""

from __future__ import annotations

import difflib
from typing import Any

import timm
import torch

from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.timm_tower import TimmTower
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.encoders.weights import file_sha256, reading_weights, require_file
from pipeline.errors import EncoderError
from pipeline.preprocess import Preprocess

__all__ = ["load_timm"]


def load_timm(spec: EncoderSpec, device: torch.device) -> TorchEncoder:
    """A timm model without its classifier: the pooled feature before the last layer.

    Notes
    -----
    timm's own evaluation transform crops the border away (`crop_pct`); a face crop has no border to spare, so the
    short side is resized to the input size itself.
    """
    if not timm.is_model(spec.architecture):
        near = difflib.get_close_matches(spec.architecture, timm.list_models(), n=3)
        hint = f"Did you mean {', '.join(near)}?" if near else "See timm.list_models()"
        raise EncoderError(f"timm has no architecture {spec.architecture!r}. {hint}")
    assert spec.path is not None  # EncoderSpec.parse asks for a file
    path = require_file(spec.path, f"weights of {spec}")
    model: Any = timm.create_model(spec.architecture, pretrained=False)
    with reading_weights(path):
        timm.models.load_checkpoint(model, str(path), strict=True, weights_only=True)
    model.reset_classifier(0)
    model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    config: dict[str, Any] = timm.data.resolve_model_data_config(model)
    tower = TimmTower(model)
    image = torch.zeros(1, *config["input_size"], device=device)
    return TorchEncoder(
        identity={
            "family": "timm",
            "architecture": spec.architecture,
            "config": {"width": tower.row_shapes(image)["pooled"][0]},
            "activation": "",
            "weights": file_sha256(path),
        },
        preprocess=Preprocess(
            size=config["input_size"][-1],
            interpolation=config["interpolation"],
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
        ),
        tower=tower,
        torch_device=device,
    )
