"""Published weights: from the hub's cache on this machine, else from the hub."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import open_clip
from huggingface_hub import constants, snapshot_download, try_to_load_from_cache

from pipeline.encoders.downloads import HubFile, SilentBar, cached, download, require_reachable
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.weight_names import published_files
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, silent

__all__ = ["fetch", "fetch_repository", "require_config"]


def fetch(spec: EncoderSpec, pretrained: Mapping[str, Any], on_progress: OnProgress = silent) -> Path:
    """The file of the weights that open_clip's registry describes as `pretrained`.

    A file in the hub's cache is used as it is, with a network and without: the same name is the same weights.
    Downloaded is the first of open_clip's file names that the repository has.

    Raises
    ------
    EncoderError
        If it is neither on this machine nor on the hub; without a network at once, where the hub's client would try
        again for most of a minute.
    """
    if not (hub := pretrained.get("hf_hub", "")):
        return _from_url(spec, pretrained)
    repository, names = published_files(hub)
    advice = f"Without a network, name a local copy: open_clip:{spec.architecture}@FILE"
    files = [HubFile(repository, name, f"the weights of {spec}", advice) for name in names]
    for file in files:
        if path := cached(file):
            return path
    _require_network(files[0])
    for file in files:
        if path := download(file, on_progress):
            return path
    raise files[0].error(f"the repository has no {' and no '.join(names)} (HTTP 404)", "A mirror may lack files")


def fetch_repository(
    spec: EncoderSpec, names: Sequence[str], weights: Sequence[str], on_progress: OnProgress = silent
) -> Path:
    """A folder with those of the files `names` that the repository `spec.tag` has, and the first it has of `weights`.

    Raises
    ------
    EncoderError
        If they are neither on this machine nor on the hub; without a network at once.
    """
    repository = spec.tag
    advice = f"Without a network, name a local copy: {spec.family}:{spec.architecture}@DIR"
    files = [HubFile(repository, name, f"the files of {spec}", advice) for name in weights]
    offline = constants.HF_HUB_OFFLINE or not _resolves(constants.ENDPOINT)
    if not any(cached(file) for file in files):
        _require_network(files[0])
        require_reachable(HubFile(repository, names[0], files[0].purpose, advice))
    try:
        folder = Path(
            snapshot_download(repository, allow_patterns=list(names), local_files_only=offline, tqdm_class=SilentBar)
        )
    except Exception as error:  # the hub's client raises a dozen kinds
        raise files[0].error(f"{type(error).__name__}: {error}", "Try again") from error
    for file in files:
        if cached(file) or (not offline and download(file, on_progress)):
            break
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


def _require_network(file: HubFile) -> None:
    if constants.HF_HUB_OFFLINE:
        raise file.error(
            f"HF_HUB_OFFLINE is set, and {file.repository} is not in {constants.HF_HUB_CACHE}", "Unset it to download"
        )
    if not _resolves(constants.ENDPOINT):
        cause = f"there is no network, and {file.repository} is not in {constants.HF_HUB_CACHE}"
        raise file.error(cause, "Check the connection, HF_ENDPOINT and HTTPS_PROXY")


def _from_url(spec: EncoderSpec, pretrained: Mapping[str, Any]) -> Path:
    """Weights that have an address of their own; open_clip compares their digest."""
    try:
        return Path(open_clip.download_pretrained(pretrained, prefer_hf_hub=False))
    except Exception as error:  # whatever urllib and open_clip raise means this
        raise EncoderError(
            f"the weights of {spec} are not on this machine and cannot be downloaded ({type(error).__name__}: "
            f"{error}). Without a network, name a local copy: open_clip:{spec.architecture}@FILE"
        ) from error
