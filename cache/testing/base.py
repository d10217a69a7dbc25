"""What the parts of the contract share: where a store stands, and raw access that the subclass gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest

from cache.testing.example import Example
from cache.testing.raw import Extent

__all__ = ["BackendUnderTest"]


class BackendUnderTest(ABC):
    """One backend. The methods write and look past our own reader and writer."""

    suffix: str
    growing_name: str  # of the store inside the building folder, before it is moved into place

    @abstractmethod
    def extents(self, path: Path) -> list[Extent]:
        """Where the features lie: all bytes of all outputs of the finished store at `path`."""

    @abstractmethod
    def overwrite_column(self, path: Path, name: str, values: npt.NDArray[Any]) -> None:
        """Change a column's values, and nothing else."""

    @abstractmethod
    def overwrite_manifest(self, path: Path, text: str) -> None:
        """Change the manifest's text, and nothing else."""

    @abstractmethod
    def make_foreign(self, path: Path) -> None:
        """Something whole in the same file format that is no fer-stage store."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        """Where a store will stand: `features/<encoder>/<dataset>`, as users have it."""
        return tmp_path / "features" / "some-encoder" / f"example{self.suffix}"

    @pytest.fixture
    def example(self) -> Example:
        return Example()
