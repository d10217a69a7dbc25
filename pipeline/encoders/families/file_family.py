"""Encoders of one's own: FILE.py:NAME, a class in a Python file, with weights of its own or from a file.

A file is run only if `allow` was called with the encoder: a name in a store, a run or a head runs nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import CurrentIdentity
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import FILE, GROUP, EncoderSpec, Syntax
from pipeline.errors import ConfigError
from pipeline.plugins import Plugin, is_reference, load_entry_point, load_file, source_sha256

__all__ = ["FILES", "allow", "is_allowed", "load_encoder_code"]

_ALLOWED: set[str] = set()  # FILE.py:NAME


def allow(spec: EncoderSpec) -> None:
    """State that the user names this encoder, so that its code may be run."""
    if spec.family == FILE:
        _ALLOWED.add(spec.architecture)


def is_allowed(spec: EncoderSpec) -> bool:
    """Whether the user named the code of this encoder, or it is of a package that is installed."""
    return spec.architecture in _ALLOWED or not is_reference(spec.architecture)


def _current(spec: EncoderSpec) -> CurrentIdentity:
    code, _, name = spec.architecture.rpartition(":")
    named = {"family": FILE, "architecture": name}
    file = Path(code).expanduser() if code else None
    for path in filter(None, (file, spec.path)):
        if not path.is_file():
            return CurrentIdentity(named, f"{path} is not on this machine")
    weights = {"weights": file_sha256(spec.path)} if spec.path else {}
    sha256 = source_sha256(GROUP, spec.architecture) if file else load_encoder_code(spec).origin.sha256
    return CurrentIdentity({**named, "code": sha256, **weights})


def load_encoder_code(spec: EncoderSpec) -> Plugin:
    """The class that makes an encoder; this runs its code.

    Raises
    ------
    ConfigError
        If it cannot be run, or no package has an entry point of that name any more.
    """
    name = spec.architecture
    plugin = load_file(name) if is_reference(name) else load_entry_point(GROUP, name)
    if plugin is None:
        raise ConfigError(f"{spec}: expected an installed package with this entry point of {GROUP}, found none")
    return plugin


def _has_text(spec: EncoderSpec) -> bool:
    return is_allowed(spec) and hasattr(load_encoder_code(spec).value, "encode_text")


_SYNTAX = Syntax(
    forms=("FILE.py:NAME", "FILE.py:NAME@WEIGHTS"),
    pattern=re.compile(r"(?!)"),  # the part before the colon is a file: `EncoderSpec.parse` reads it by itself
    has_text=False,
)
_LOADER = "pipeline.encoders.families.file_encoder:load_file_encoder"
FILES = Family(FILE, _SYNTAX, _LOADER, _current, has_text=_has_text)
