"""The locked image tower alone: EfficientNet-Lite0 at our input size, as a folder that open_clip can load.

Its feature is the pooled output of the tower, before any projection; the text tower is an unused stub.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file, save_file
from settings import PREPROCESS, TOWER_WIDTH, vision_config

_STUB_TEXT = {"context_length": 8, "width": 8, "heads": 1, "layers": 1}


def main(weights: Path, folder: Path) -> None:
    """Write the folder.

    Parameters
    ----------
    weights : the tower's file; its classifier is left out
    """
    config = {"embed_dim": TOWER_WIDTH, "vision_cfg": vision_config(timm_proj="none"), "text_cfg": _STUB_TEXT}
    torch.manual_seed(0)  # of the stub
    model = open_clip.CLIP(**config)
    state = {name: values for name, values in load_file(weights).items() if not name.startswith("classifier.")}
    model.visual.trunk.load_state_dict(state, strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    described = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
