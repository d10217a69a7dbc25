"""Loads an encoder of one's own: a torch module of a Python file."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.encoders.families.file_family import is_allowed, load_encoder_code
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import FILE, EncoderSpec
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.encoders.towers import ImageTower
from pipeline.encoders.weights import require_file, state_sha256
from pipeline.errors import ConfigError, EncoderError
from pipeline.images.preprocess import Preprocess
from pipeline.progress import OnProgress, silent

__all__ = ["load_file_encoder"]

_SEED = 0  # of weights that the class draws: another process has the same


def load_file_encoder(spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent) -> TorchEncoder:
    """An image tower of a class: `NAME(weights)`, with the path of the weights, or None.

    The class is a torch module with `preprocess`, a `Preprocess`; it maps float32 (B, 3, S, S), normalised, to (B, D).

    Raises
    ------
    EncoderError
        If the user did not name it, or what the file has is no such class.
    ConfigError
        If the file raises an error while it is run.
    """
    if not is_allowed(spec):
        raise EncoderError(
            f"{spec}: a Python file is run only if you name it: expected it as --encoder or in `encoders` of "
            "params.yaml, found it in a record only"
        )
    plugin = load_encoder_code(spec)
    weights = require_file(spec.path, f"weights of {spec}") if spec.path else None
    if not (isinstance(plugin.value, type) and issubclass(plugin.value, nn.Module)):
        raise ConfigError(f"{spec}: expected a class of torch.nn.Module, found {plugin.value!r:.100}")
    preprocess = getattr(plugin.value, "preprocess", None)
    if not isinstance(preprocess, Preprocess):
        raise ConfigError(
            f"{spec}: expected `preprocess = Preprocess(size=...)` in the class, found {preprocess!r:.100}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)  # torch.manual_seed would reach the GPUs' too
        model = plugin.value(weights)
    model.eval().requires_grad_(False).to(device)
    tower = ImageTower(model)
    pooled = tower.row_shapes(torch.zeros(1, 3, preprocess.size, preprocess.size, device=device))["pooled"]
    if len(pooled) != 1:
        raise ConfigError(
            f"{spec}: expected a feature (B, D) of images (B, 3, S, S), found (B, {', '.join(map(str, pooled))})"
        )
    return TorchEncoder(
        identity={
            "family": FILE,
            "architecture": spec.architecture.rpartition(":")[2],
            "config": {"width": pooled[0]},
            "activation": "",
            "weights": file_sha256(weights) if weights else state_sha256(model),
            "code": plugin.origin.sha256,
        },
        preprocess=preprocess,
        tower=tower,
        torch_device=device,
    )
