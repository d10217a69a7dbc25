"""CLIP and similar models: image and text towers of open_clip."""

from __future__ import annotations

import re

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import (
    CurrentIdentity,
    config_fields,
    hub_identity,
    known_config,
    known_config_file,
    open_clip_folder_identity,
)
from pipeline.encoders.families.sources import Published, Sources, cached_on_hub, folder_sources
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import EncoderSpec, Syntax
from pipeline.encoders.tokenizer_identity import own_tokenizer
from pipeline.encoders.weight_names import OPEN_CLIP_WEIGHTS, published_files

__all__ = ["OPEN_CLIP"]

_SYNTAX = Syntax(
    forms=("open_clip:ARCH/TAG", "open_clip:ARCH@FILE_OR_DIR"),
    pattern=re.compile(r"(?P<architecture>[^/@]+)(?:/(?P<tag>[^/@]+)|@(?P<path>.+))"),
)


def _current(spec: EncoderSpec) -> CurrentIdentity:
    named = {"family": spec.family, "architecture": spec.architecture}
    if spec.path is None:
        return hub_identity(spec, _hub_files(spec), {**named, **config_fields(known_config(spec.architecture))})
    if not spec.path.exists():
        return CurrentIdentity(named, f"{spec.path} is not on this machine")
    if spec.path.is_dir():
        return open_clip_folder_identity(spec.path, named)
    config = config_fields(known_config(spec.architecture))
    return CurrentIdentity({**named, **config, "weights": file_sha256(spec.path)})


def _hub_files(spec: EncoderSpec) -> list[tuple[str, str]]:
    from open_clip.pretrained import get_pretrained_cfg  # late: it takes seconds

    repository, names = published_files(str(get_pretrained_cfg(spec.architecture, spec.tag).get("hf_hub", "")))
    return [(repository, name) for name in names] if repository else []


def _sources(spec: EncoderSpec, published: Published) -> Sources | None:
    if spec.path is not None and spec.path.is_dir():
        return folder_sources(spec.path, OPEN_CLIP_WEIGHTS)
    if (config := known_config_file(spec.architecture)) is None:
        return None
    published = () if spec.path else published or _hub_files(spec)
    weights = spec.path or cached_on_hub(published)
    if weights is None or not weights.is_file():
        return None
    # A tokenizer of the hub is none of these files.
    return Sources(weights, (config,), published, not own_tokenizer(known_config(spec.architecture)))


OPEN_CLIP = Family(
    "open_clip",
    _SYNTAX,
    "pipeline.encoders.families.open_clip_encoder:load_open_clip",
    _current,
    sources=_sources,
)
