"""What mini is: the shapes of its two towers, and how pictures are prepared for it."""

from __future__ import annotations

from typing import Any

__all__ = ["PREPROCESS", "TOWER_WIDTH", "TRAINED_ON", "VERSION", "model_config", "vision_config"]

VERSION = 1  # raise it whenever another mini is shipped: its features differ
TRAINED_ON = ["ferplus", "muxspace", "sample"]  # layouts whose domain it was tuned on

TOWER, TOWER_WIDTH = "tf_efficientnet_lite0", 1280
IMAGE_SIZE = 160  # README.md compares 112 to 224 px
# of the tower's own training
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "shortest"}
# CLIP's vocabulary is most of the file: 49,408 words of this width. With 80 the whole stays below 20 MB in float16.
_TEXT = {"context_length": 32, "vocab_size": 49408, "width": 80, "heads": 4, "layers": 3}


def vision_config(**projection: Any) -> dict[str, Any]:
    """open_clip's description of the image tower, with the given `timm_proj...`."""
    return {"timm_model_name": TOWER, "timm_pool": "avg", "image_size": IMAGE_SIZE, **projection}


def model_config() -> dict[str, Any]:
    """open_clip's description of the whole model."""
    return {"embed_dim": 512, "vision_cfg": vision_config(timm_proj="mlp", timm_proj_bias=True), "text_cfg": _TEXT}
