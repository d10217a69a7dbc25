"""Loads an encoder of one's own: a torch module of a Python file, for images, for texts or for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.encoders.families.file_family import is_allowed, load_encoder_code
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import FILE, EncoderSpec
from pipeline.encoders.text_encoder import TextTower, TorchTextEncoder, TwoTowerEncoder
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.encoders.towers import ImageTower
from pipeline.encoders.weights import require_file, state_sha256
from pipeline.errors import ConfigError, EncoderError
from pipeline.images.preprocess import Preprocess
from pipeline.progress import OnProgress, silent

__all__ = ["load_file_encoder"]

_SEED = 0  # of weights that the class draws: another process has the same


def load_file_encoder(
    spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent
) -> TorchEncoder | TorchTextEncoder:
    """An encoder of a class: `NAME(weights)`, with the path of the weights, or None.

    The class is a torch module. With `preprocess`, a `Preprocess`, it encodes images: `forward` maps float32
    (B, 3, S, S), normalised, to (B, D). With `encode_text` it encodes texts: P sentences to float32 (P, D_t).

    Raises
    ------
    EncoderError
        If the user did not name it.
    ConfigError
        If what the file has is no such class, or it raises an error while it is run.
    """
    if not is_allowed(spec):
        raise EncoderError(
            f"{spec}: a Python file is run only if you name it: expected it as --encoder or in `encoders` of "
            "params.yaml, found it in a record only"
        )
    plugin = load_encoder_code(spec)
    _require_network(spec, plugin.value)
    weights = require_file(spec.path, f"weights of {spec}") if spec.path else None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)  # torch.manual_seed would reach the GPUs' too
        model = plugin.value(weights)
    model.eval().requires_grad_(False).to(device)
    identity = {
        "family": FILE,
        "architecture": spec.architecture.rpartition(":")[2],
        "config": {},
        "activation": "",
        "weights": file_sha256(weights) if weights else state_sha256(model),
        "code": plugin.origin.sha256,
    }
    preprocess: Preprocess | None = getattr(plugin.value, "preprocess", None)
    if preprocess is None:
        return TorchTextEncoder(identity, device, _text_tower(spec, model))
    tower = ImageTower(model)
    identity["config"] = {"width": _width(spec, tower, preprocess, device)}
    if hasattr(plugin.value, "encode_text"):
        return TwoTowerEncoder(identity, preprocess, tower, device, text_tower=_text_tower(spec, model))
    return TorchEncoder(identity, preprocess, tower, device)


def _require_network(spec: EncoderSpec, value: object) -> None:
    """ConfigError if what a name in the file means is no class of a network for images or texts."""
    if not (isinstance(value, type) and issubclass(value, nn.Module)):
        raise ConfigError(f"{spec}: expected a class of torch.nn.Module, found {value!r:.100}")
    preprocess = getattr(value, "preprocess", None)
    if not isinstance(preprocess, Preprocess) and not (preprocess is None and hasattr(value, "encode_text")):
        raise ConfigError(
            f"{spec}: expected `preprocess = Preprocess(size=...)` in the class, found {preprocess!r:.100}. An encoder "
            "of texts alone has `encode_text` instead"
        )


def _width(spec: EncoderSpec, tower: ImageTower, preprocess: Preprocess, device: torch.device) -> int:
    """D; ConfigError if the network gives another shape than (B, D)."""
    pooled = tower.row_shapes(torch.zeros(1, 3, preprocess.size, preprocess.size, device=device))["pooled"]
    if len(pooled) != 1:
        raise ConfigError(
            f"{spec}: expected a feature (B, D) of images (B, 3, S, S), found (B, {', '.join(map(str, pooled))})"
        )
    return pooled[0]


def _text_tower(spec: EncoderSpec, model: Any) -> TextTower:
    """The network's `encode_text`; a call raises ConfigError if it gives another shape than (P, D_t)."""

    def text_tower(sentences: Sequence[str]) -> Tensor:
        vectors = model.encode_text(sentences)
        shape = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
        if not (isinstance(vectors, Tensor) and vectors.ndim == 2 and len(vectors) == len(sentences)):
            raise ConfigError(
                f"{spec}: expected a tensor (P, D_t) of P sentences from `encode_text`, here ({len(sentences)}, D_t), "
                f"found {shape}"
            )
        return vectors

    return text_tower
