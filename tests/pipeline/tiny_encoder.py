"""A random open_clip model, small enough for tests, loaded as any other from a local folder."""

import json
import tempfile
from functools import cache
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

from pipeline.encoders import EncoderSpec, load_encoder

CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@cache
def tiny_encoder(device="cpu"):
    """32 px, pooled (32,), tokens and block-0, block-1 (5, 32); a causal text tower of context 77. Do not train it."""
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(3)
        save_file(open_clip.CLIP(**CONFIG).state_dict(), Path(folder, "open_clip_model.safetensors"))
        Path(folder, "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
        encoder = load_encoder(EncoderSpec.parse(f"open_clip:tiny@{folder}"), device, "eager")
        encoder.encode_text(["a face"])  # its tokenizer is read while the folder is there
        return encoder
