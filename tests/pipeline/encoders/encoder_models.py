"""Small models with random weights, saved as users have them; and programs to run in a Python of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

__all__ = [
    "BATCH_TOLERANCE",
    "MODEL",
    "NOWHERE",
    "PREPROCESS",
    "SOON_S",
    "faces",
    "load",
    "own_transform",
    "pooled",
    "put_into_cache",
    "run_python",
    "same_pictures",
    "seeded_clip",
    "write_clip_folder",
    "write_clip_weights",
]

from pipeline.encoders import EncoderSpec, ImageEncoder, load_encoder

# A matrix product of another batch size may round differently; features are of order 1.
BATCH_TOLERANCE = 1e-5
NOWHERE = "https://hub.invalid"  # reserved: no name below .invalid ever has an address
SOON_S = 3.0
MODEL: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
PREPROCESS: dict[str, Any] = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.4],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


def load(name: str, device: str = "cpu", runtime: str = "eager") -> Any:
    return load_encoder(EncoderSpec.parse(name), device, runtime)


def pooled(encoder: ImageEncoder, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return encoder.encode_images(pixels)["pooled"]


def faces(n: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Prepared squares of noise: uint8 (n, size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def same_pictures(pixels: npt.NDArray[np.uint8], transform: Any) -> torch.Tensor:
    """The pictures after a library's own transform, as a batch."""
    return torch.stack([transform(Image.fromarray(image)) for image in pixels])


def own_transform(preprocess: Any) -> Any:
    """open_clip's evaluation transform with our settings."""
    return open_clip.image_transform(
        preprocess.size,
        is_train=False,
        mean=preprocess.mean,
        std=preprocess.std,
        resize_mode=preprocess.resize,
        interpolation=preprocess.interpolation,
    )


def seeded_clip(model: dict[str, Any] = MODEL, seed: int = 0) -> Any:
    """An open_clip model with random weights that are the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.CLIP(**model).eval()


def write_clip_folder(
    folder: Path, seed: int = 0, name: str = "open_clip_model.safetensors", **changes: Any
) -> tuple[Path, Any]:
    """A folder as open_clip reads it with `local-dir:`, and the model in it; `changes` go into the model's config."""
    model = MODEL | changes
    clip = seeded_clip(model, seed)
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": PREPROCESS}))
    if name.endswith(".safetensors"):
        save_file(clip.state_dict(), folder / name)
    else:
        torch.save(clip.state_dict(), folder / name)
    return folder, clip


def write_clip_weights(path: Path, architecture: str = "ViT-B-32-quickgelu") -> None:
    """Random weights of a real architecture in half precision: 302 MB for ViT-B/32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**open_clip.get_model_config(architecture)).half()
    save_file({name: values.contiguous() for name, values in model.state_dict().items()}, path)


def put_into_cache(hub: Path, repository: str, **files: str) -> dict[str, Path]:
    """Files of a repository as the hub's client keeps them."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(snapshot.name)
    made = {key: snapshot / name for key, name in files.items()}
    for path in made.values():
        path.write_bytes(b"weights")
    return made


def run_python(program: str, *arguments: object) -> str:
    """What a program prints in a Python of its own."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
