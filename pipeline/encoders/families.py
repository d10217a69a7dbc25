"""What an encoder's name means on this machine now, as far as files say it: no model is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.encoders.families.open_clip_config import config_identity, config_preprocess
from pipeline.encoders.file_digest import file_sha256, sha256_in_cache
from pipeline.encoders.spec import EMBEDDED, MINI, TRANSFORMERS, EncoderSpec
from pipeline.encoders.tokenizer_identity import tokenizer_files
from pipeline.encoders.weight_names import (
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    TRANSFORMERS_WEIGHTS,
    first_file,
    published_files,
)
from pipeline.errors import ConfigError, EncoderError
from pipeline.images.preprocess import Preprocess
from pipeline.regular_files import read_json

__all__ = ["CurrentIdentity", "current_identity"]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class CurrentIdentity:
    """A part of an encoder's identity.

    Parameters
    ----------
    fields : those fields of `Encoder.identity` that files give, plain JSON
    unknown : why the digest of the weights is not among them, for messages; empty where it is, or where no file has
        the weights
    preprocess : how images are prepared for it; None where only the loaded model knows
    tokenizer : digest of its tokenizer's files; empty where it has none of its own
    """

    fields: Mapping[str, Any]
    unknown: str = ""
    preprocess: Preprocess | None = None
    tokenizer: str = ""


def current_identity(spec: EncoderSpec) -> CurrentIdentity:
    """Read what files say of the encoder: its config, the digest of its weights. Nothing is downloaded.

    Published weights are looked up in the hub's cache, whose files are named by their digests.

    Raises
    ------
    EncoderError
        If a file is there and cannot be read.
    """
    if spec.family in EMBEDDED:
        return _embedded(spec)
    named = {"family": spec.family, "architecture": spec.architecture}
    if spec.path is None:
        return _published(spec, named)
    if not spec.path.exists():
        return CurrentIdentity(named, f"{spec.path} is not on this machine")
    if spec.family == TRANSFORMERS:
        return _transformers_folder(spec.path, named)
    if spec.path.is_dir():
        return _open_clip_folder(spec.path, named)
    config = _described(_known_config(spec.architecture)) if spec.family == "open_clip" else {}
    return CurrentIdentity({**named, **config, "weights": file_sha256(spec.path)})


def _embedded(spec: EncoderSpec) -> CurrentIdentity:
    named = {"family": "open_clip", "architecture": spec.architecture}
    if spec.family == MINI:
        return _open_clip_folder(_HERE / MINI, named)
    data = _read_json(_HERE / "untrained.json")
    return CurrentIdentity({**named, **_described(data["model_cfg"])}, preprocess=_preprocess(data))


def _open_clip_folder(folder: Path, named: Mapping[str, str]) -> CurrentIdentity:
    weights, unknown = _weights_in(folder, OPEN_CLIP_WEIGHTS)
    if not (folder / OPEN_CLIP_CONFIG).is_file():
        return CurrentIdentity({**named, **weights}, unknown or f"{folder / OPEN_CLIP_CONFIG} is not on this machine")
    data = _read_json(folder / OPEN_CLIP_CONFIG)
    described = _described(data.get("model_cfg"))
    return CurrentIdentity(
        {**named, **described, **weights}, unknown, _preprocess(data), tokenizer_files(folder, described.get("config"))
    )


def _transformers_folder(folder: Path, named: Mapping[str, str]) -> CurrentIdentity:
    weights, unknown = _weights_in(folder, TRANSFORMERS_WEIGHTS)
    return CurrentIdentity({**named, **weights}, unknown)


def _weights_in(folder: Path, names: tuple[str, ...]) -> tuple[dict[str, str], str]:
    if path := first_file(folder, names):
        return {"weights": file_sha256(path)}, ""
    return {}, f"{folder} has no {' and no '.join(names)}"


def _published(spec: EncoderSpec, named: Mapping[str, str]) -> CurrentIdentity:
    """Of weights by tag: which ones a tag means is known from the registry, their digest from the cache."""
    from huggingface_hub import try_to_load_from_cache  # late: embedded encoders and files need no hub

    config = _described(_known_config(spec.architecture)) if spec.family == "open_clip" else {}
    for repository, name in _hub_files(spec):
        if isinstance(found := try_to_load_from_cache(repository, name), str):
            weights = sha256_in_cache(Path(found)) or file_sha256(Path(found))
            return CurrentIdentity({**named, **config, "weights": weights})
    return CurrentIdentity({**named, **config}, f"its weights are not in the hub's cache of this machine ({spec})")


def _hub_files(spec: EncoderSpec) -> list[tuple[str, str]]:
    """Repository and name of the files that may hold the weights, the one that is taken first."""
    if spec.family == TRANSFORMERS:
        return [(spec.tag, name) for name in TRANSFORMERS_WEIGHTS]
    from open_clip.pretrained import get_pretrained_cfg  # late: it takes seconds

    repository, names = published_files(str(get_pretrained_cfg(spec.architecture, spec.tag).get("hf_hub", "")))
    return [(repository, name) for name in names] if repository else []


def _known_config(architecture: str) -> Any:
    """The config of an architecture as open_clip carries it: importing open_clip takes seconds, reading a file none."""
    package = find_spec("open_clip")
    folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        if (path := Path(folder) / "model_configs" / f"{architecture}.json").is_file():
            return _read_json(path)
    return None


def _described(config: Any) -> dict[str, Any]:
    return config_identity(config) if isinstance(config, dict) else {}


def _preprocess(data: Mapping[str, Any]) -> Preprocess | None:
    """What an open_clip config says of images; None if the encoder would be refused for it."""
    try:
        return config_preprocess(data["model_cfg"], data.get("preprocess_cfg", {}))
    except (ConfigError, EncoderError, LookupError, TypeError, AttributeError):
        return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path}: expected JSON that describes an encoder ({error}). Check the file") from error
    if not isinstance(data, dict):
        raise EncoderError(f"{path}: expected a JSON object that describes an encoder, found {type(data).__name__}")
    return data
