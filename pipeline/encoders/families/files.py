"""What is known of an encoder from files, for every family: its config, the digest of its weights, its preparation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.encoders.families.open_clip_config import config_identity, config_preprocess
from pipeline.encoders.file_digest import file_sha256, sha256_in_cache
from pipeline.encoders.tokenizer_identity import tokenizer_files
from pipeline.encoders.weight_names import OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS, first_file
from pipeline.errors import ConfigError, EncoderError
from pipeline.images.preprocess import Preprocess
from pipeline.regular_files import read_json

__all__ = [
    "CurrentIdentity",
    "config_fields",
    "config_only_identity",
    "hub_identity",
    "known_config",
    "known_config_file",
    "open_clip_folder_identity",
    "weights_digest",
]


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


def open_clip_folder_identity(folder: Path, named: Mapping[str, str]) -> CurrentIdentity:
    """The identity of a folder with open_clip_config.json.

    Parameters
    ----------
    named : `family` and `architecture` of the identity
    """
    weights, unknown = weights_digest(folder, OPEN_CLIP_WEIGHTS)
    if not (folder / OPEN_CLIP_CONFIG).is_file():
        return CurrentIdentity({**named, **weights}, unknown or f"{folder / OPEN_CLIP_CONFIG} is not on this machine")
    data = _read_json(folder / OPEN_CLIP_CONFIG)
    fields = config_fields(data.get("model_cfg"))
    tokenizer = tokenizer_files(folder, fields.get("config"))
    return CurrentIdentity({**named, **fields, **weights}, unknown, _preprocess(data), tokenizer)


def config_only_identity(path: Path, named: Mapping[str, str]) -> CurrentIdentity:
    """The identity of a config alone, in open_clip's form: an encoder whose weights no file has."""
    data = _read_json(path)
    return CurrentIdentity({**named, **config_fields(data["model_cfg"])}, preprocess=_preprocess(data))


def hub_identity(spec: object, files: Iterable[tuple[str, str]], fields: Mapping[str, Any]) -> CurrentIdentity:
    """The identity of published weights, as far as the hub's cache has them; its files are named by their digests.

    Parameters
    ----------
    spec : the encoder's name, for messages
    files : repository and name of those that may hold the weights, the one that is taken first
    fields : of the identity, known without the weights
    """
    from huggingface_hub import try_to_load_from_cache  # late: embedded encoders and files need no hub

    for repository, name in files:
        if isinstance(cached := try_to_load_from_cache(repository, name), str):
            weights = sha256_in_cache(Path(cached)) or file_sha256(Path(cached))
            return CurrentIdentity({**fields, "weights": weights})
    return CurrentIdentity(fields, f"its weights are not in the hub's cache of this machine ({spec})")


def weights_digest(folder: Path, names: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The digest of the first of these files that a folder has, or why there is none."""
    if path := first_file(folder, names):
        return {"weights": file_sha256(path)}, ""
    return {}, f"{folder} has no {' and no '.join(names)}"


def known_config(architecture: str) -> Any:
    """The config of an architecture as open_clip carries it; None for one that it does not know."""
    path = known_config_file(architecture)
    return _read_json(path) if path else None


def known_config_file(architecture: str) -> Path | None:
    """Where open_clip carries the config of an architecture: importing open_clip takes seconds, reading a file none."""
    package = find_spec("open_clip")
    folders = list(package.submodule_search_locations or ()) if package else []
    paths = (Path(folder) / "model_configs" / f"{architecture}.json" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def config_fields(config: Any) -> dict[str, Any]:
    """The fields of an identity that a config of open_clip gives; none if it is no config."""
    return config_identity(config) if isinstance(config, dict) else {}


def _preprocess(data: Mapping[str, Any]) -> Preprocess | None:
    """How images are prepared, from an open_clip config; None if the encoder would be refused for it."""
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
