"""What an open_clip config describes of a model: read without open_clip, whose import takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

__all__ = ["CLIP_MEAN", "CLIP_STD", "config_identity", "config_preprocess", "parse_config"]

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def config_identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of `Encoder.identity` that a `model_cfg` gives, plain JSON."""
    return {
        "config": json.loads(json.dumps(config)),
        "activation": "quick_gelu" if config.get("quick_gelu", False) else "gelu",
    }


def config_preprocess(config: Mapping[str, Any], options: Mapping[str, Any]) -> Preprocess:
    """How images are prepared.

    Parameters
    ----------
    config : a `model_cfg`
    options : a `preprocess_cfg`, or what open_clip's registry says of published weights

    Raises
    ------
    EncoderError
        If the model takes no squares, or pads images.
    ConfigError
        If `Preprocess` has no such way.
    """
    size = config["vision_cfg"].get("image_size", 224)
    if isinstance(size, list | tuple):
        if size[0] != size[1]:
            raise EncoderError(f"image size {size[0]}x{size[1]}: only square inputs are supported")
        size = size[0]
    mode = options.get("resize_mode", "shortest")
    if mode == "longest":
        raise EncoderError("resize mode `longest` (padding) is not supported; use an encoder with shortest or squash")
    return Preprocess(
        size=size,
        resize=mode,
        interpolation=options.get("interpolation", "bicubic"),
        mean=tuple(options.get("mean", CLIP_MEAN)),
        std=tuple(options.get("std", CLIP_STD)),
    )


def parse_config(data: dict[str, Any], where: str) -> tuple[dict[str, Any], Preprocess]:
    """Model config and preprocessing of an `open_clip_config.json`; EncoderError if it has no `model_cfg`."""
    if "model_cfg" not in data:
        raise EncoderError(f"{where}: expected a `model_cfg`, found {', '.join(data) or 'nothing'}")
    return data["model_cfg"], config_preprocess(data["model_cfg"], data.get("preprocess_cfg", {}))
