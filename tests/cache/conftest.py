"""What several tests of the cache share: the example as a finished store."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.store import Store
from cache.testing.example import Example


@pytest.fixture(params=[".zarr", ".h5"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """The example below a features root, as Zarr and as HDF5."""
    return Example().write(tmp_path / "features" / "some-encoder" / f"example{request.param}")
