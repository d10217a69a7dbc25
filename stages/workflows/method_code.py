"""The code of a method that is no part of the package, as records have it."""

from __future__ import annotations

from dataclasses import asdict

from pipeline.methods import METHODS
from pipeline.methods.own import own_method

__all__ = ["method_code"]


def method_code(name: str) -> dict[str, str]:
    """Where the code of a method is that is no part of the package, and its sha256; empty for all others."""
    return {} if name in METHODS else asdict(own_method(name).origin)
