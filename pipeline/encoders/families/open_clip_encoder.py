"""CLIP and similar models through open_clip: image and text towers."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor, nn

from pipeline.encoders.families.open_clip_config import config_identity, config_preprocess, parse_config
from pipeline.encoders.families.open_clip_prompts import open_clip_prompts
from pipeline.encoders.families.open_clip_tower import open_clip_tower
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.hub import fetch, require_config
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.text_encoder import PromptableEncoder
from pipeline.encoders.tokenizer_identity import tokenizer_content, tokenizer_files
from pipeline.encoders.weight_names import OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS, first_file
from pipeline.encoders.weights import plain_checkpoint, reading_weights, require_file, tensor_shapes
from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess
from pipeline.progress import OnProgress, silent
from pipeline.regular_files import read_json
from pipeline.suggestions import did_you_mean

__all__ = ["ModelFacts", "build_encoder", "check_names", "load_open_clip"]

_OPENAI_SHA256 = re.compile(r"/([0-9a-f]{64})/")


def load_open_clip(spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent) -> PromptableEncoder:
    """Both towers of an open_clip model, frozen; `on_progress` is called during a download.

    Raises
    ------
    EncoderError
        Unknown architecture or tag, missing weights, no network, or QuickGELU where the weights were trained with
        GELU (or the reverse): the features would be wrong without any sign of it.
    """
    name = spec.architecture
    if spec.path is not None and spec.path.is_dir():
        name = f"local-dir:{spec.path.resolve()}"
        config, preprocess = _read_config(spec.path)
        weights = _weights_in(spec.path)
    elif spec.tag:
        config, preprocess, pretrained = check_names(spec)
        weights = fetch(spec, pretrained, on_progress)
    else:
        config = _known_config(name)
        weights, preprocess = _from_file(spec, config)
    _check_known_weights(spec, config, digest := file_sha256(weights))
    if described_by := dict(config.get("text_cfg") or {}).get("hf_model_name"):
        require_config(spec, described_by)
    model, tokenizer = _load(name, weights), partial(open_clip.get_tokenizer, name)
    folder = spec.path if spec.path is not None and spec.path.is_dir() else None
    return build_encoder(model, tokenizer, ModelFacts(spec.architecture, config, digest, preprocess, folder), device)


def _known_config(architecture: str) -> dict[str, Any]:
    if architecture not in open_clip.list_models():
        hint = did_you_mean(architecture, open_clip.list_models(), otherwise="See open_clip.list_models()", n=3)
        raise EncoderError(f"open_clip has no architecture {architecture!r}. {hint}")
    return dict(open_clip.get_model_config(architecture))


def check_names(spec: EncoderSpec) -> tuple[dict[str, Any], Preprocess, dict[str, Any]]:
    """What is known of published weights before they are fetched.

    Returns
    -------
    The architecture's config, how images are prepared, and where the weights are, as open_clip's registry has it.

    Raises
    ------
    EncoderError
        If there is no such architecture or tag, or they have different activations.
    """
    config = _known_config(spec.architecture)
    tags = list_pretrained_tags_by_model(spec.architecture)
    pretrained = get_pretrained_cfg(spec.architecture, spec.tag)
    if not pretrained:
        known = ", ".join(tags) or "none: name a weights file with @FILE"
        raise EncoderError(f"open_clip:{spec.architecture} has no weights tagged {spec.tag!r}. There are: {known}")
    _check_activation(spec, config, bool(pretrained.get("quick_gelu", False)))
    return config, config_preprocess(config, pretrained), pretrained


def _from_file(spec: EncoderSpec, config: dict[str, Any]) -> tuple[Path, Preprocess]:
    """A bare file records neither its preparation nor its activation: take what all known weights of it agree on."""
    assert spec.path is not None
    path = require_file(spec.path, f"weights of {spec}")
    tags = list_pretrained_tags_by_model(spec.architecture)
    published = [get_pretrained_cfg(spec.architecture, tag) for tag in tags]
    known = {config_preprocess(config, pretrained) for pretrained in published}
    if len(known) > 1:
        raise EncoderError(
            f"{spec}: weights of this architecture were trained with {len(known)} different preprocessings, and a bare "
            f"file does not say with which. Put it into a folder with its {OPEN_CLIP_CONFIG} and name the folder"
        )
    if not config.get("quick_gelu", False) and any(pretrained.get("quick_gelu", False) for pretrained in published):
        raise EncoderError(
            f"{spec}: some weights of this architecture were trained with QuickGELU, some with GELU, and a bare file "
            f"does not say with which. For QuickGELU name open_clip:{spec.architecture}-quickgelu@{spec.path}; for "
            f"GELU put it into a folder with its {OPEN_CLIP_CONFIG} and name the folder"
        )
    return path, known.pop() if known else config_preprocess(config, {})


def _check_activation(spec: EncoderSpec, config: dict[str, Any], weights_quick_gelu: bool) -> None:
    if bool(config.get("quick_gelu", False)) == weights_quick_gelu:
        return
    trained, other = ("QuickGELU", "GELU") if weights_quick_gelu else ("GELU", "QuickGELU")
    base = spec.architecture.removesuffix("-quickgelu")
    right = f"{base}-quickgelu" if weights_quick_gelu else base
    if right == spec.architecture and not weights_quick_gelu:
        return  # the registry leaves its flag out where the only architecture of a tag says QuickGELU by itself
    weights = f"/{spec.tag}" if spec.tag else f"@{spec.path}"
    known = right != spec.architecture and right in open_clip.list_models()
    advice = f"Use open_clip:{right}{weights}" if known else "open_clip has no architecture for them: use other weights"
    raise EncoderError(
        f"{spec}: these weights were trained with {trained}, the architecture uses {other}, so every feature would be "
        f"wrong. {advice}"
    )


def _check_known_weights(spec: EncoderSpec, config: dict[str, Any], digest: str) -> None:
    """A file does not name its activation, but some published files are known by their digest."""
    base = spec.architecture.removesuffix("-quickgelu")
    for tag in list_pretrained_tags_by_model(f"{base}-quickgelu"):
        pretrained = get_pretrained_cfg(f"{base}-quickgelu", tag)
        if (match := _OPENAI_SHA256.search(pretrained.get("url", ""))) and match[1] == digest:
            _check_activation(spec, config, weights_quick_gelu=True)


def _read_config(folder: Path) -> tuple[dict[str, Any], Preprocess]:
    path = require_file(folder / OPEN_CLIP_CONFIG, "a local open_clip folder")
    try:
        return parse_config(read_json(path), str(path))
    except (ValueError, TypeError, LookupError, AttributeError, OSError) as error:
        raise EncoderError(
            f"{path}: expected JSON with a `model_cfg` and a `preprocess_cfg`, as open_clip writes it for the hub, "
            f"found something else ({type(error).__name__}: {error})"
        ) from error


def _weights_in(folder: Path) -> Path:
    if weights := first_file(folder, OPEN_CLIP_WEIGHTS):
        return weights
    raise EncoderError(f"{folder}: no weights there. Expected one of {', '.join(OPEN_CLIP_WEIGHTS)}")


def _load(name: str, weights: Path) -> nn.Module:
    with _quiet(), reading_weights(weights):
        # Some text towers would fetch weights of their own first, to be replaced in the next line.
        model: nn.Module = open_clip.create_model(name, load_weights=False, pretrained_text=False)
        _check_positions(model, weights, tensor_shapes(weights))
        with plain_checkpoint(weights) as plain:
            open_clip.load_checkpoint(model, str(plain), strict=True, weights_only=True)
    return model


def _check_positions(model: nn.Module, weights: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """open_clip resizes the positions of another input size without a warning."""
    for name, values in model.state_dict().items():
        if name.endswith("positional_embedding") and shapes.get(name, values.shape) != values.shape:
            raise EncoderError(
                f"{weights}: expected {name} of shape {tuple(values.shape)}, found {shapes[name]}: these weights are "
                "of an architecture with another input size. Name that one"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip warns of random weights when it builds a model whose weights are loaded in the next line."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(frozen=True)
class ModelFacts:
    """What is known of an open_clip model beside its weights.

    Parameters
    ----------
    config : of the architecture
    weights : sha256 of them
    preprocess : how images are prepared for it
    folder : of a local model, whose tokenizer may be in it, too
    note : what must be stated wherever a number of it appears
    """

    architecture: str
    config: dict[str, Any]
    weights: str
    preprocess: Preprocess
    folder: Path | None = None
    note: str = ""


def build_encoder(
    model: nn.Module,
    new_tokenizer: Callable[[], Callable[[list[str]], Tensor]],
    facts: ModelFacts,
    device: torch.device,
) -> PromptableEncoder:
    """An open_clip model as an encoder: frozen, on the device; its tokenizer is loaded when it is needed."""
    architecture, config = facts.architecture, facts.config
    towers = cast("Any", model.eval().requires_grad_(False).to(device))  # open_clip's methods are not typed

    @cache
    def tokenizer() -> Callable[[list[str]], Tensor]:  # when needed: some come from the hub
        try:
            return new_tokenizer()
        except Exception as error:  # transformers and the hub client raise a dozen kinds
            first = " ".join(str(error).split())[:300]
            raise EncoderError(
                f"open_clip:{architecture}: its tokenizer cannot be made ({type(error).__name__}: {first}). This one "
                "needs the package transformers (pip install 'fer-stage[vlm]'), and its files from the hub or beside "
                "the weights"
            ) from error

    def text_tower(prompts: Sequence[str]) -> Any:
        tokens = tokenizer()(list(prompts))
        return towers.encode_text(tokens.to(device), normalize=False)  # CoCa's would normalise by default

    def text_identity() -> dict[str, str]:
        files = tokenizer_files(facts.folder, config) if facts.folder else ""
        return {"tokenizer_files": files} if files else {"tokenizer": tokenizer_content(tokenizer())}

    return PromptableEncoder(
        identity={
            "family": "open_clip",
            "architecture": architecture,
            **config_identity(config),
            "weights": facts.weights,
        },
        preprocess=facts.preprocess,
        tower=open_clip_tower(towers.visual),
        torch_device=device,
        text_tower=text_tower,
        note=facts.note,
        new_text_identity=text_identity,
        new_prompts=lambda: open_clip_prompts(towers, tokenizer(), f"open_clip:{architecture}"),
    )
