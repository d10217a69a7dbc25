"""Bytes where they are stored, read without our own reader: what a test damages or compares is what the disk holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # it has no stubs

from cache.places import AnyPath

__all__ = ["Blobs", "DiskBlobs", "Extent", "MemoryBlobs", "files", "tree_bytes"]


def files(path: Path) -> list[Path]:
    """The file at `path`, or all files below the folder."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


class Blobs(ABC):
    """Named bytes of one kind of place. A name is what `str` says of the place."""

    @abstractmethod
    def names(self, top: AnyPath) -> list[str]:
        """Every blob at `top` or below, sorted."""

    @abstractmethod
    def read(self, name: str) -> bytes: ...

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Make or replace a blob."""

    @abstractmethod
    def delete(self, name: str) -> None: ...

    def tree(self, top: AnyPath) -> dict[str, bytes]:
        """Name below `top` -> bytes, of every blob of a store; "" is `top` itself."""
        return {name[len(str(top)) + 1 :]: self.read(name) for name in self.names(top)}

    def write_tree(self, top: AnyPath, tree: dict[str, bytes]) -> None:
        """Write what `tree` returned."""
        for name, data in tree.items():
            self.write(f"{top}/{name}" if name else str(top), data)

    def remove(self, top: AnyPath) -> None:
        """Delete every blob at `top` or below."""
        for name in self.names(top):
            self.delete(name)

    @contextmanager
    def restored(self, top: AnyPath) -> Iterator[None]:
        """Whatever the block does to the tree at `top`, it is as before afterwards."""
        before = self.tree(top)
        try:
            yield
        finally:
            after = self.tree(top)
            for name in after.keys() - before.keys():
                self.delete(f"{top}/{name}")
            self.write_tree(top, {name: data for name, data in before.items() if after.get(name) != data})

    def extent(self, name: str) -> Extent:
        """All bytes of a blob."""
        return Extent(self, name, 0, len(self.read(name)))


class DiskBlobs(Blobs):
    """Files of this machine."""

    def names(self, top: AnyPath) -> list[str]:
        return [str(file) for file in files(Path(str(top)))]

    def read(self, name: str) -> bytes:
        return Path(name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def delete(self, name: str) -> None:
        Path(name).unlink()


class MemoryBlobs(Blobs):
    """The files of `memory://` in this process."""

    def names(self, top: AnyPath) -> list[str]:
        inside = f"{_memory_path(str(top))}/"
        return sorted(f"memory:/{name}" for name in MemoryFileSystem.store if f"{name}/".startswith(inside))

    def read(self, name: str) -> bytes:
        return bytes(MemoryFileSystem.store[_memory_path(name)].getvalue())

    def write(self, name: str, data: bytes) -> None:
        MemoryFileSystem().pipe_file(_memory_path(name), data)

    def delete(self, name: str) -> None:
        del MemoryFileSystem.store[_memory_path(name)]


def _memory_path(name: str) -> str:
    return f"/{name.removeprefix('memory://')}"


def tree_bytes(top: Path) -> dict[str, bytes]:
    """Name below `top` -> bytes, of every file of a store on a disk."""
    return DiskBlobs().tree(top)


@dataclass(frozen=True)
class Extent:
    """Bytes `start` to `stop` of a blob. Each kind of damage lasts as long as the block runs."""

    blobs: Blobs
    name: str
    start: int
    stop: int

    @property
    def data(self) -> bytes:
        return self.blobs.read(self.name)[self.start : self.stop]

    @contextmanager
    def flipped(self, at: int, mask: int = 1) -> Iterator[None]:
        """Byte `at` of the extent has the bits of `mask` turned over."""
        data = bytearray(self.blobs.read(self.name))
        data[self.start + at] ^= mask
        with self._replaced_by(bytes(data)):
            yield

    @contextmanager
    def truncated(self, at: int) -> Iterator[None]:
        """The blob ends before byte `at` of the extent."""
        with self._replaced_by(self.blobs.read(self.name)[: self.start + at]):
            yield

    @contextmanager
    def deleted(self) -> Iterator[None]:
        """The blob is deleted."""
        before = self.blobs.read(self.name)
        self.blobs.delete(self.name)
        try:
            yield
        finally:
            self.blobs.write(self.name, before)

    @contextmanager
    def _replaced_by(self, data: bytes) -> Iterator[None]:
        before = self.blobs.read(self.name)
        self.blobs.write(self.name, data)
        try:
            yield
        finally:
            self.blobs.write(self.name, before)
