"""Text towers of transformers: blip and align."""

from __future__ import annotations

import re

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import CurrentIdentity, hub_identity, weights_digest
from pipeline.encoders.families.sources import Published, Sources, folder_sources
from pipeline.encoders.spec import EncoderSpec, Syntax
from pipeline.encoders.weight_names import TRANSFORMERS_WEIGHTS

__all__ = ["TRANSFORMERS"]

_SYNTAX = Syntax(
    forms=("transformers:ARCH/OWNER/NAME", "transformers:ARCH@DIR"),
    pattern=re.compile(r"(?P<architecture>[^/@]+)(?:/(?P<tag>[^/@]+/[^/@]+)|@(?P<path>.+))"),
)


def _current(spec: EncoderSpec) -> CurrentIdentity:
    named = {"family": spec.family, "architecture": spec.architecture}
    if spec.path is None:
        return hub_identity(spec, [(spec.tag, name) for name in TRANSFORMERS_WEIGHTS], named)
    if not spec.path.exists():
        return CurrentIdentity(named, f"{spec.path} is not on this machine")
    weights, unknown = weights_digest(spec.path, TRANSFORMERS_WEIGHTS)
    return CurrentIdentity({**named, **weights}, unknown)


def _sources(spec: EncoderSpec, _published: Published) -> Sources | None:
    """None for a model of the hub, which is asked for a newer revision whenever the model is loaded."""
    return folder_sources(spec.path, TRANSFORMERS_WEIGHTS) if spec.path is not None else None


TRANSFORMERS = Family(
    "transformers",
    _SYNTAX,
    "pipeline.encoders.families.transformers_encoder:load_transformers",
    _current,
    package="transformers",
    extra="vlm",
    sources=_sources,
)
