"""Image towers of timm, with weights from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch

from pipeline.encoders.families.timm_tower import TimmTower
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.encoders.weights import plain_names, read_tensors, reading_weights, require_file
from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess
from pipeline.progress import OnProgress, silent
from pipeline.suggestions import did_you_mean

__all__ = ["load_timm"]

_ARRAYS = (".npz", ".npy")  # weights of JAX, which only the model itself can read
_OF_LAYER = ("weight", "bias")
_QUICK_GELU = "quickgelu"  # in names of architectures


def load_timm(spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent) -> TorchEncoder:
    """A timm model without its classifier: the pooled feature before the last layer.

    The architecture may have a tag, `resnet50.a1_in1k`: which of timm's published weights the file is, or is prepared
    like. It is required where they differ in how images are prepared or in their activation, which no file records.

    Raises
    ------
    EncoderError
        Unknown architecture or tag, a tag that is needed and missing, an activation that does not fit the tag, a file
        that is missing or does not fit. Weights of a classifier are not read, whatever their shapes.

    Notes
    -----
    timm's own evaluation transform crops the border away (`crop_pct`); a face crop has no border to spare, so the
    short side is resized to the input size itself.
    """
    tags = _known_tags(spec)
    _check_activation(spec)
    _check_preprocess(spec, tags)
    assert spec.path is not None  # EncoderSpec.parse asks for a file
    path = require_file(spec.path, f"weights of {spec}")
    model: Any = timm.create_model(_full_name(spec.architecture, spec.tag), pretrained=False)
    _fill(model, path)
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
        preprocess=_preprocess(config),
        tower=tower,
        torch_device=device,
    )


def _known_tags(spec: EncoderSpec) -> Sequence[str]:
    """Tags of timm's published weights of an architecture; EncoderError if it, or the tag that is named, is unknown."""
    base, tag = spec.architecture, spec.tag
    if not timm.is_model(base):
        hint = did_you_mean(base, timm.list_models(), otherwise="See timm.list_models()", n=3)
        raise EncoderError(f"timm has no architecture {base!r}. {hint}")
    names = (name.partition(".") for name in timm.list_pretrained(f"{base}*"))
    tags = [known for name, _, known in names if name == base]
    if tag and tag not in tags:
        raise EncoderError(f"timm:{base} has no weights tagged {tag!r}. There are: {', '.join(tags) or 'none'}")
    return tags


def _check_activation(spec: EncoderSpec) -> None:
    base, tag = spec.architecture, spec.tag
    if not tag or not _lacks_quick_gelu(base, tag):
        return
    right = _quick_gelu_name(base)
    advice = f"Use timm:{right}.{tag}@{spec.path}" if right else "timm has no architecture for them: use other weights"
    raise EncoderError(
        f"{spec}: these weights were trained with QuickGELU, the architecture uses GELU, so every feature would be "
        f"wrong. {advice}"
    )


def _check_preprocess(spec: EncoderSpec, tags: Sequence[str]) -> None:
    """EncoderError if no tag is named and published weights of the architecture are not all used alike."""
    base, tag = spec.architecture, spec.tag
    if tag:
        return
    quick = [known for known in tags if _lacks_quick_gelu(base, known)]
    configs = [timm.data.resolve_data_config(pretrained_cfg=_published(base, known).to_dict()) for known in tags]
    if not quick and len({_preprocess(config) for config in configs}) < 2:
        return
    right = _quick_gelu_name(base)
    names = [f"{right}.{known}" if known in quick and right else f"{base}.{known}" for known in tags]
    raise EncoderError(
        f"{spec}: published weights of this architecture differ in how images are prepared for them, or in their "
        f"activation, and a file does not say which it is. Name it, or those that it was tuned from: "
        f"timm:{names[0]}@{spec.path}. There are: {', '.join(names)}"
    )


def _published(base: str, tag: str) -> Any:
    return timm.get_pretrained_cfg(_full_name(base, tag))


def _full_name(base: str, tag: str) -> str:
    return f"{base}.{tag}" if tag else base


def _lacks_quick_gelu(base: str, tag: str) -> bool:
    """Whether weights were trained with QuickGELU, which timm has in its notes only, and the architecture is not."""
    return _QUICK_GELU not in base and any(_QUICK_GELU in note.lower() for note in _published(base, tag).notes or ())


def _quick_gelu_name(base: str) -> str:
    """The same architecture with QuickGELU; empty if there is none."""
    name = base.replace("_clip_", f"_clip_{_QUICK_GELU}_")
    return name if name != base and timm.is_model(name) else ""


def _preprocess(config: Mapping[str, Any]) -> Preprocess:
    return Preprocess(
        size=config["input_size"][-1],
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _fill(model: Any, path: Path) -> None:
    """Give a model the weights in a file, and take its classifier away."""
    with reading_weights(path):
        if path.suffix.lower() in _ARRAYS:
            timm.models.load_checkpoint(model, str(path))
            model.reset_classifier(0)
            return
        whole = model.state_dict().keys()
        model.reset_classifier(0)
        tower = model.state_dict().keys()
        unused = (whole | _classifier_names(model)) - tower
        tensors = plain_names(read_tensors(path))
        model.load_state_dict({name: value for name, value in tensors.items() if name not in unused}, strict=True)


def _classifier_names(model: Any) -> set[str]:
    """Of the weights of the classifier that published weights of this architecture have, or may be tuned with."""
    layers = model.pretrained_cfg.get("classifier") or ()
    return {f"{layer}.{kind}" for layer in ([layers] if isinstance(layers, str) else layers) for kind in _OF_LAYER}
