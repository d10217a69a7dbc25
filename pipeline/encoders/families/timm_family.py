"""Image towers of timm, with weights from a file."""

from __future__ import annotations

import re

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import CurrentIdentity
from pipeline.encoders.families.sources import Published, Sources
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import EncoderSpec, Syntax

__all__ = ["TIMM"]

_SYNTAX = Syntax(
    forms=("timm:ARCH@FILE", "timm:ARCH.TAG@FILE"),
    # An architecture and a tag, a dot between them; weights by name, which follow a slash, are refused with advice.
    pattern=re.compile(r"(?P<architecture>[^/@.]+)(?:\.(?P<tag>[^/@]*))?(?:@(?P<path>.+)|/[^/@]+)"),
    has_text=False,
    needs_file=True,
)


def _current(spec: EncoderSpec) -> CurrentIdentity:
    named = {"family": spec.family, "architecture": spec.architecture}
    if spec.path is None or not spec.path.exists():
        return CurrentIdentity(named, f"{spec.path} is not on this machine")
    return CurrentIdentity({**named, "weights": file_sha256(spec.path)})


def _sources(spec: EncoderSpec, _published: Published) -> Sources | None:
    return Sources(spec.path) if spec.path is not None and spec.path.is_file() else None


TIMM = Family("timm", _SYNTAX, "pipeline.encoders.families.timm_encoder:load_timm", _current, sources=_sources)
