"""Encoders of one's own: FILE.py:NAME, a class in a Python file, with weights of its own or from a file.

A file is run only if `allow` was called with the encoder: what a store, a run or a head says of its own runs nothing.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import CurrentIdentity
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.spec import FILE, EncoderSpec, Syntax

__all__ = ["FILES", "allow", "is_allowed"]

_ALLOWED: set[str] = set()  # FILE.py:NAME


def allow(spec: EncoderSpec) -> None:
    """State that the user names this encoder, so that its code may be run."""
    if spec.family == FILE:
        _ALLOWED.add(spec.architecture)


def is_allowed(spec: EncoderSpec) -> bool:
    """Whether the user named the code of this encoder."""
    return spec.architecture in _ALLOWED


def _current(spec: EncoderSpec) -> CurrentIdentity:
    code, _, name = spec.architecture.rpartition(":")
    named = {"family": FILE, "architecture": name}
    for path in filter(None, (Path(code), spec.path)):
        if not path.is_file():
            return CurrentIdentity(named, f"{path} is not on this machine")
    weights = {"weights": file_sha256(spec.path)} if spec.path else {}
    return CurrentIdentity({**named, "code": hashlib.sha256(Path(code).read_bytes()).hexdigest(), **weights})


_SYNTAX = Syntax(
    forms=("FILE.py:NAME", "FILE.py:NAME@WEIGHTS"),
    pattern=re.compile(r"(?!)"),  # what stands before the colon is a file: `EncoderSpec.parse` reads it by itself
    has_text=False,
)
FILES = Family(FILE, _SYNTAX, "pipeline.encoders.families.file_encoder:load_file_encoder", _current)
