"""Bytes on disk, past our own reader: what a test damages or compares is what the disk holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Extent", "files", "tree_bytes"]


def files(path: Path) -> list[Path]:
    """The file at `path`, or all files below the folder."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def tree_bytes(path: Path) -> dict[str, bytes]:
    """Name below `path` -> bytes, of every file of a store."""
    return {str(file.relative_to(path)): file.read_bytes() for file in files(path)}


@dataclass(frozen=True)
class Extent:
    """Bytes `start` to `stop` of a file. Each way to spoil it lasts as long as the block runs."""

    file: Path
    start: int
    stop: int

    @contextmanager
    def flipped(self, at: int, mask: int = 1) -> Iterator[None]:
        """Byte `at` of the extent has the bits of `mask` turned over."""
        data = bytearray(self.file.read_bytes())
        data[self.start + at] ^= mask
        with self._replaced_by(bytes(data)):
            yield

    @contextmanager
    def truncated(self, at: int) -> Iterator[None]:
        """The file ends before byte `at` of the extent."""
        with self._replaced_by(self.file.read_bytes()[: self.start + at]):
            yield

    @contextmanager
    def deleted(self) -> Iterator[None]:
        """The whole file is gone."""
        aside = self.file.with_name(f"{self.file.name}.aside")
        os.rename(self.file, aside)
        try:
            yield
        finally:
            os.rename(aside, self.file)

    @contextmanager
    def _replaced_by(self, data: bytes) -> Iterator[None]:
        before = self.file.read_bytes()
        self.file.write_bytes(data)
        try:
            yield
        finally:
            self.file.write_bytes(before)
