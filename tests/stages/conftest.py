"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.encoders.torch_encoder import TorchEncoder


@pytest.fixture(scope="session")
def encoder() -> TorchEncoder:
    """An encoder of seeded random weights, loaded once."""
    loaded = load_encoder(EncoderSpec.parse("untrained"), "cpu", "eager")
    assert isinstance(loaded, TorchEncoder)
    return loaded


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, without params.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
