"""Text towers of BLIP and ALIGN through transformers. Their image towers are not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AlignConfig, AlignTextModel, AutoTokenizer, BlipConfig, BlipTextModel, PreTrainedConfig

from pipeline.encoders.file_digest import file_sha256, files_sha256
from pipeline.encoders.hub import fetch_repository
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.text_encoder import TorchTextEncoder
from pipeline.encoders.weight_names import TRANSFORMERS_WEIGHTS, first_file
from pipeline.encoders.weights import read_tensors, reading_weights, require_file
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, silent
from pipeline.regular_files import read_json
from pipeline.suggestions import did_you_mean

__all__ = ["load_transformers"]

_CONFIG = "config.json"
_VOCABULARY = ("tokenizer.json", "vocab.txt")
_TOKENIZER = (*_VOCABULARY, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True)
class _Architecture:
    """Where the parts of a text tower are, in the model's config and among its weights.

    Parameters
    ----------
    config, tower : classes of transformers
    tower_name, projection_name : of the modules that the weights belong to
    width_name : of D_t in the config
    published : a repository of such a model
    """

    config: type[PreTrainedConfig]
    tower: Callable[..., nn.Module]
    tower_name: str
    projection_name: str
    width_name: str
    published: str


_ARCHITECTURES = {
    "align": _Architecture(
        AlignConfig, AlignTextModel, "text_model", "text_projection", "projection_dim", "kakaobrain/align-base"
    ),
    "blip": _Architecture(
        BlipConfig,
        BlipTextModel,
        "text_encoder",
        "text_proj",
        "image_text_hidden_size",
        "Salesforce/blip-itm-base-coco",
    ),
}


class _TextTower(nn.Module):
    """The vector of a sentence: the last state of its first token, projected into the space shared with images."""

    def __init__(self, kind: _Architecture, config: Any) -> None:
        super().__init__()
        text = config.text_config
        self.add_module(kind.tower_name, kind.tower(text, add_pooling_layer=False))
        self.add_module(kind.projection_name, nn.Linear(text.hidden_size, getattr(config, kind.width_name)))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 (P, T), and 1 where a token is, else 0, -> (P, D_t), raw."""
        tower, projection = self.children()
        projected: Tensor = projection(tower(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0])
        return projected


def load_transformers(spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent) -> TorchTextEncoder:
    """The frozen text tower of a BLIP model for image-text retrieval, or of an ALIGN model.

    Sentences are tokenised as they are; BLIP's own code would first remove punctuation.

    Raises
    ------
    EncoderError
        Unknown architecture, a folder that holds another model, a lack of weights, no network.
    """
    kind = _known(spec.architecture)
    folder = spec.path or fetch_repository(spec, [_CONFIG, *_TOKENIZER], TRANSFORMERS_WEIGHTS, on_progress)
    config, described = _read_config(folder, spec.architecture, kind)
    weights = _weights_in(folder)
    tower = _read_tower(kind, config, weights).eval().requires_grad_(False).to(device)
    tokenizer = _read_tokenizer(folder, spec, config.text_config.vocab_size)
    limit: int = config.text_config.max_position_embeddings

    def text_tower(prompts: Sequence[str]) -> Tensor:
        tokens = tokenizer(list(prompts), padding=True, return_tensors="pt")
        ids = tokens["input_ids"]
        if ids.shape[1] > limit:
            raise EncoderError(f"{spec}: a sentence has {ids.shape[1]} tokens, the model reads {limit}. Shorten it")
        vectors: Tensor = tower(ids.to(device), tokens["attention_mask"].to(device))
        return vectors

    return TorchTextEncoder(
        identity={
            "family": spec.family,
            "architecture": spec.architecture,
            "config": described,
            "activation": config.text_config.hidden_act,
            "weights": file_sha256(weights),
            "tokenizer": _tokenizer_sha256(folder),
        },
        torch_device=device,
        text_tower=text_tower,
    )


def _known(architecture: str) -> _Architecture:
    if architecture not in _ARCHITECTURES:
        raise EncoderError(
            f"transformers:{architecture}: no such text tower here; CLIP's are of open_clip. "
            f"{did_you_mean(architecture, _ARCHITECTURES)}"
        )
    return _ARCHITECTURES[architecture]


def _read_config(folder: Path, architecture: str, kind: _Architecture) -> tuple[Any, dict[str, Any]]:
    """The model's config; and those of its fields that define the text tower's function, as plain JSON."""
    path = require_file(folder / _CONFIG, f"a local folder of transformers:{architecture}")
    try:
        data = read_json(path)
        model_type = data.get("model_type")
        config = kind.config.from_dict(data) if model_type == architecture else None
    except (ValueError, TypeError, LookupError, AttributeError, OSError, StrictDataclassError) as error:
        first = " ".join(str(error).split())[:300]
        raise EncoderError(f"{path}: expected the config of a {architecture} model ({first})") from error
    if config is None:
        raise EncoderError(f"{path}: expected the config of a {architecture} model, found one of {model_type}")
    width = getattr(config, kind.width_name)
    return config, {"text_config": data.get("text_config", {}), "width": width}


def _weights_in(folder: Path) -> Path:
    if weights := first_file(folder, TRANSFORMERS_WEIGHTS):
        return weights
    raise EncoderError(f"{folder}: no weights there. Expected one of {', '.join(TRANSFORMERS_WEIGHTS)}, in one piece")


def _read_tower(kind: _Architecture, config: Any, weights: Path) -> _TextTower:
    with reading_weights(weights):
        tower = _TextTower(kind, config)
        names = tower.state_dict().keys()
        state = _read_tensors(weights, names)
    if missing := sorted(names - state.keys()):
        raise EncoderError(
            f"{weights}: expected {len(names)} tensors of the text tower, lacks {len(missing)}, first {missing[0]}. "
            f"Name a model that compares images with texts, such as {kind.published}"
        )
    with reading_weights(weights):
        tower.load_state_dict(state)
    return tower


def _read_tensors(weights: Path, names: Any) -> dict[str, Tensor]:
    """Those of the named tensors that the file has; of safetensors no other is read."""
    if weights.suffix == ".safetensors":
        with safe_open(weights, framework="pt") as file:
            return {name: file.get_tensor(name) for name in names & set(file.keys())}
    content = read_tensors(weights)
    return {name: content[name] for name in names & content.keys()}


def _read_tokenizer(folder: Path, spec: EncoderSpec, n_words: int) -> Any:
    expected = f"{spec}: expected {' or '.join(_VOCABULARY)} beside the weights"
    if not any((folder / name).is_file() for name in _VOCABULARY):  # transformers would make one that knows no word
        raise EncoderError(f"{expected}, found neither in {folder}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises a dozen kinds
        raise EncoderError(f"{expected}, found a file that is none ({type(error).__name__}: {error})") from error
    if len(tokenizer) > n_words:
        raise EncoderError(f"{expected} with at most {n_words} words, found {len(tokenizer)}: another model's")
    return tokenizer


def _tokenizer_sha256(folder: Path) -> str:
    return files_sha256(folder / name for name in _TOKENIZER if (folder / name).is_file())
