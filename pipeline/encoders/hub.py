"""Published weights: from the hub's cache on this machine, else from the hub."""

from __future__ import annotations

import os.path
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import open_clip
from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import EncoderError

__all__ = ["fetch", "fetch_repository", "require_config"]


def fetch(spec: EncoderSpec, pretrained: Mapping[str, Any]) -> Path:
    """The file of the weights that open_clip's registry describes as `pretrained`.

    Raises
    ------
    EncoderError
        If it is neither on this machine nor to be had; without a network at once, where the hub's client would try
        again for the better part of a minute.
    """
    try:
        if (hub := pretrained.get("hf_hub", "")) and not _resolves(constants.ENDPOINT):
            return _cached(hub)
        return Path(open_clip.download_pretrained(pretrained))
    except Exception as error:  # the hub client raises a dozen kinds, and all of them mean this
        raise EncoderError(
            f"the weights of {spec} are not on this machine and cannot be downloaded ({type(error).__name__}: "
            f"{error}). Without a network, name a local copy: open_clip:{spec.architecture}@FILE"
        ) from error


def fetch_repository(spec: EncoderSpec, names: Sequence[str], weights: Sequence[str]) -> Path:
    """A folder with those of the files `names` that the repository `spec.tag` has, and the first it has of `weights`.

    Raises
    ------
    EncoderError
        If they are neither on this machine nor to be had; without a network at once.
    """
    try:
        offline = not _resolves(constants.ENDPOINT)
        for name in weights:
            folder = Path(snapshot_download(spec.tag, allow_patterns=[*names, name], local_files_only=offline))
            if (folder / name).is_file():
                break
    except Exception as error:  # as above
        raise EncoderError(
            f"the files of {spec} are not on this machine and cannot be downloaded ({type(error).__name__}: {error}). "
            f"Without a network, name a local copy: {spec.family}:{spec.architecture}@DIR"
        ) from error
    return folder


def require_config(spec: EncoderSpec, model: str) -> None:
    """Check that transformers can find the config of `model`, a folder or a repository: without a network at once.

    Raises
    ------
    EncoderError
        If it is no folder, not in the hub's cache, and there is no network.
    """
    if Path(model).is_dir() or _resolves(constants.ENDPOINT):
        return
    if not isinstance(try_to_load_from_cache(model, "config.json"), str):
        raise EncoderError(
            f"{spec}: its text tower is described by {model} on the hub, which is not in {constants.HF_HUB_CACHE}, and "
            "there is no network. Name a folder whose open_clip_config.json has a local folder as `hf_model_name`"
        )


def _resolves(url: str) -> bool:
    """Whether the host of `url` has an address. A proxy would look it up on its own side."""
    if getproxies():
        return True
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return True


def _cached(hub: str) -> Path:
    """The cached file of `repository/file`, or of `repository/`; safetensors first, as open_clip chooses."""
    repository, name = os.path.split(hub)
    safe = str(PurePosixPath(name).with_suffix(".safetensors")) if name else HF_SAFE_WEIGHTS_NAME
    for candidate in (safe, name or HF_WEIGHTS_NAME):
        if isinstance(found := try_to_load_from_cache(repository, candidate), str):
            return Path(found)
    raise FileNotFoundError(f"no network, and {repository} is not in {constants.HF_HUB_CACHE}")
