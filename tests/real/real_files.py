"""Real faces and real weights, which stand outside of the repository; tests that need them skip where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["pack_path", "weights_path"]

_SHARED = Path(__file__).parents[3] / "shared"


def pack_path(name: str) -> Path:
    """A pack of real faces, e.g. muxspace.tar.gz."""
    return _path("FER_STAGE_PACKS", "data", name)


def weights_path(name: str) -> Path:
    """A file of pretrained weights."""
    return _path("FER_STAGE_WEIGHTS", "weights", name)


def _path(variable: str, usual: str, name: str) -> Path:
    folder = Path(os.environ.get(variable) or _SHARED / usual)
    if not (folder / name).is_file():
        pytest.skip(f"{name} is not in {folder}; set {variable} to the folder that holds it")
    return folder / name
