"""Files that hold many images: shards of rows, archives inside a root. Each image has a name, `FILE::MEMBER`.

A kind of container is a class that reads one of them; `register` names it for a suffix, and every root then reads its
members in place.
"""

from __future__ import annotations

import hashlib
import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Protocol

from pipeline.datasets.roots.extents import Extent

__all__ = [
    "ANOTHER_FILE",
    "SEPARATOR",
    "Container",
    "FrameContainer",
    "OpenContainers",
    "container_suffixes",
    "is_container",
    "member_name",
    "open_container",
    "register",
    "row_number",
    "row_text",
    "split_member",
]

SEPARATOR = "::"
ANOTHER_FILE = "is not the file that was indexed"

_ROW_DIGITS = 7
_MAX_OPEN = 32  # containers with their lists of members and file handles
_MAX_DECODED = 2  # of them that may hold decoded images


class Container(ABC):
    """One file with many images. Threads may read from it at once."""

    @property
    def another(self) -> str:
        """What is to say of a member whose digest is not that of the table: the end of a sentence."""
        return ANOTHER_FILE

    @abstractmethod
    def members(self) -> Sequence[str]:
        """Names of all members, sorted."""

    @abstractmethod
    def read(self, member: str, limit: int) -> bytes:
        """The bytes of one member.

        Raises
        ------
        ImageError
            If there is no such member, or it is empty, damaged or larger than `limit` bytes.
        """

    def sha256(self, member: str, data: bytes) -> str:
        """What a table knows a member by, of which `read` gave `data`: the sha256 of its bytes, or another digest."""
        return hashlib.sha256(data).hexdigest()

    def trim(self) -> None:  # noqa: B027  # most hold nothing
        """Release what is only held to be faster; other containers are in use."""


class FrameContainer(Container):
    """A video: its members are the numbers of its frames, as `row_text` writes them."""

    @property
    @abstractmethod
    def n_frames(self) -> int:
        """Frames of the video, counted: what its header states is not used.

        Raises
        ------
        ImageError
            With a short reason, if it is no video, or has no frame.
        """

    @property
    @abstractmethod
    def file_sha256(self) -> bytes:
        """Of the bytes of the video, 32 bytes; ImageError if they cannot be read."""


class _HasExtents(Protocol):
    def extent(self, name: str, /) -> Extent: ...


_OPENERS: dict[str, Callable[[Extent], Container]] = {}


def register(suffix: str, opener: Callable[[Extent], Container]) -> None:
    """Have every root read the members of files whose names end with `suffix`, in any case, by `opener`."""
    _OPENERS[suffix] = opener


def container_suffixes() -> tuple[str, ...]:
    """Suffixes of all kinds of containers."""
    return tuple(_OPENERS)


def is_container(name: str) -> bool:
    """Whether the name has the suffix of a container."""
    return PurePosixPath(name).suffix.casefold() in _OPENERS


def open_container(root: _HasExtents, name: str) -> Container:
    """Open a container of a root.

    Raises
    ------
    ImageError
        If the root has no such file, or it cannot be read.
    DatasetError
        If it is damaged, or not what its suffix says.
    """
    return _OPENERS[PurePosixPath(name).suffix.casefold()](root.extent(name))


def member_name(container: str, member: str) -> str:
    """The name that a root reads a member by."""
    return f"{container}{SEPARATOR}{member}"


def split_member(name: str) -> tuple[str, str] | None:
    """(container, member) of the name of a member; None if it is a plain file."""
    container, separator, member = name.partition(SEPARATOR)
    return (container, member) if separator and is_container(container) else None


def row_text(row: int) -> str:
    """A row's number as a member: the order of the names is the order of the rows."""
    return f"{row:0{_ROW_DIGITS}d}"


def row_number(text: str) -> int | None:
    """The row of `row_text`; None if it is none."""
    return int(text) if len(text) == _ROW_DIGITS and text.isascii() and text.isdigit() else None


class OpenContainers:
    """The containers of a root that were read last. Copies that are pickled, and forked children, open their own."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._owner, self._lock = os.getpid(), threading.Lock()
        self._open: OrderedDict[str, Container] = OrderedDict()
        self._last = ""

    def get(self, root: _HasExtents, name: str) -> Container:
        """The container of this name; raises as `open_container`."""
        if self._owner != os.getpid():
            self._clear()
        with self._lock:
            if self._last != name:
                self._make_last(root, name)
            return self._open[name]

    def _make_last(self, root: _HasExtents, name: str) -> None:
        if name not in self._open:
            self._open[name] = open_container(root, name)
        self._open.move_to_end(name)
        self._last = name
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)  # closed when the last thread is done with it
        if len(self._open) > _MAX_DECODED:
            self._open[list(self._open)[-_MAX_DECODED - 1]].trim()

    def close(self) -> None:
        """Drop all of them."""
        self._clear()

    def __reduce__(self) -> tuple[type[OpenContainers], tuple[()]]:
        return OpenContainers, ()
