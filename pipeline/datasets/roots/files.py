"""Root: the files of a dataset as every layout sees them, whatever contains them."""

from __future__ import annotations

import hashlib
import io
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from pipeline.datasets.roots.containers import ANOTHER_FILE, Container, FrameContainer, OpenContainers, split_member
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.refusals import DAMAGED, refused_by_system
from pipeline.datasets.roots.stamps import Stamp
from pipeline.errors import DatasetError, ImageError
from pipeline.images.reading import MAX_IMAGE_BYTES
from pipeline.progress import OnProgress, Progress
from pipeline.regular_files import size_text

__all__ = [
    "LINK",
    "MAX_IMAGE_BYTES",
    "MISSING",
    "NO_VIDEO",
    "UNREADABLE",
    "Lookup",
    "Root",
    "composed",
    "counted",
    "escapes",
    "is_junk",
    "is_junk_part",
    "some",
]

# Reasons of a rejected row: stable words, counted in summaries.
MISSING = "file is missing"
UNREADABLE = "file cannot be read"
LINK = "link leaves the root"
NO_VIDEO = "not a video"

MAX_TEXT_BYTES = 64 * 2**20  # of a list that is read as a whole
MAX_LIST_BYTES = 2**31  # of a list that is read line by line; AffectNet's with landmarks have some 500 MB
MAX_LINE = 2**20  # characters

_LISTED_AT_ONCE = 1000
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir"})


T = TypeVar("T")


class Root(ABC):
    """A folder, tar or zip: relative posix names to bytes, read in place.

    A root can be pickled: open handles stay behind, and the copy opens its own at the first read. Where a
    temporary file backs it, that file belongs to the root that `open_root` gave; close that one last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._containers = OpenContainers()

    def list_files(self, on_progress: OnProgress) -> None:
        """List the files now; `names` and all else that needs the list does so at its first call, without progress."""
        self.__dict__.setdefault("_names", self._checked_names(counted(self._list(), on_progress)))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return self._checked_names(self._list())

    def _checked_names(self, listed: Iterable[str]) -> tuple[str, ...]:
        names = sorted(listed)
        if strange := [name for name in names if not _is_text(name)]:
            raise DatasetError(
                f"expected file names in UTF-8, found {len(strange)} others in {self.path}, first {some(strange)}. "
                "Rename them"
            )
        self._refuse_ambiguous_names(names)
        return tuple(names)

    def _refuse_ambiguous_names(self, names: Sequence[str]) -> None:
        """Names that differ only by Unicode composition look the same, and a list cannot tell them apart."""
        first: dict[str, str] = {}
        for name in names:
            if not name.isascii() and first.setdefault(composed(name), name) != name:
                raise DatasetError(
                    f"{self.path}: expected names that can be told apart, found {first[composed(name)]!a} and "
                    f"{name!a}, which differ only by Unicode composition. Remove or rename one of them"
                )

    @abstractmethod
    def _list(self) -> Iterable[str]:
        """Everything that is no folder and no junk, in any order."""

    def read(self, name: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of one file, or of a member of a container (`shard.parquet::0000017`).

        Parameters
        ----------
        limit : bytes; more are never held, whatever the file or the archive claims

        Raises
        ------
        ImageError
            If this one file is missing, damaged, too large or no regular file; the message is a short reason that can
            be counted up to its first colon.
        DatasetError
            If the whole root is gone, or a container is damaged.
        """
        member = split_member(name)
        if member is None:
            return self._read(name, limit)
        return self.container(member[0]).read(member[1], limit)

    def difference(self, name: str, data: bytes, sha256: str) -> str:
        """How a file or a member, of which `read` gave `data`, is not the one that a sample table knows by `sha256`.

        Returns
        -------
        The end of a sentence about it; empty if it is that one.
        """
        member = split_member(name)
        if member is None:
            return "" if hashlib.sha256(data).hexdigest() == sha256 else ANOTHER_FILE
        container = self.container(member[0])
        return "" if container.sha256(member[1], data) == sha256 else container.another

    def container(self, name: str) -> Container:
        """One file of the root that holds many images; raises as `read` does."""
        return self._containers.get(self, name)

    def video(self, name: str) -> FrameContainer:
        """A video of the root; raises as `read` does."""
        container = self.container(name)
        if not isinstance(container, FrameContainer):
            raise ImageError(NO_VIDEO)
        return container

    @abstractmethod
    def _read(self, name: str, limit: int) -> bytes:
        """As `read`, of a plain file."""

    @abstractmethod
    def extent(self, name: str) -> Extent:
        """Where the bytes of a plain file are on disk; raises as `read` does."""

    def _where(self, name: str) -> str:
        return str(self.path) if self.path.name == name else f"{self.path}: {name}"

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """One file, to be read in chunks; raises as `read` does."""

    @abstractmethod
    def stamp(self, name: str) -> Stamp | None:
        """What the file system states of a file, or of the archive that holds it, now.

        None if that is no proof that the same bytes would be read: of a link, of no regular file, of a missing one.
        """

    def names(self) -> Sequence[str]:
        """All files, sorted, as posix paths relative to the root; junk of file managers and hidden files left out."""
        return self._names

    def exists(self, name: str) -> bool:
        """Whether `name` is among `names()`; case matters on every system."""
        return name in self._set

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self._names)

    def text(self, name: str) -> str:
        """A text file in composed Unicode (NFC) with `\\n` line ends, whatever it was written with.

        A byte-order mark is dropped.

        Raises
        ------
        DatasetError
            If it cannot be read or is not UTF-8.
        """
        try:
            text = self.read(name, MAX_TEXT_BYTES).decode("utf-8-sig")
        except ImageError as error:
            raise DatasetError(f"{self.path}: {name}: {error}. Expected a list that the layout needs") from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.path}: {name} is not UTF-8 text: {error}. Save it as UTF-8") from error
        return composed(text).replace("\r\n", "\n").replace("\r", "\n")

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a text file, each with its end, as `text` would give them; the file is never held as a whole.

        Raises
        ------
        DatasetError
            If it cannot be read, is not UTF-8, or has more than `MAX_LIST_BYTES` characters or `MAX_LINE` in a line.
        """
        try:
            with self.open(name) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as text:
                yield from self._bounded_lines(name, text)
        except ImageError as error:
            raise DatasetError(f"{self.path}: {name}: {error}. Expected a list that the layout needs") from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.path}: {name} is not UTF-8 text: {error}. Save it as UTF-8") from error
        except DAMAGED as error:
            raise refused_by_system(error, self.path) or DatasetError(
                f"{self.path}: {name} is damaged or cut off: {error}. Copy it again"
            ) from error

    def _bounded_lines(self, name: str, text: io.TextIOWrapper) -> Iterator[str]:
        number = n_characters = 0
        while line := text.readline(MAX_LINE + 1):
            number, n_characters = number + 1, n_characters + len(line)
            if len(line) > MAX_LINE:
                raise DatasetError(
                    f"{self.path}: {name}, line {number}: expected at most {MAX_LINE:,} characters, found more. "
                    "Is it a list of images, with one of them in each line?"
                )
            if n_characters > MAX_LIST_BYTES:
                raise DatasetError(
                    f"{self.path}: {name}: expected a list of at most {size_text(MAX_LIST_BYTES)}, found more by line "
                    f"{number:,}. Remove columns that are not read, or divide the dataset"
                )
            yield composed(line)

    def find(self, tail: str) -> str | None:
        """The file whose path ends with `tail`, at whatever depth; None if there is none. Case and Unicode composition
        do not matter.

        Raises
        ------
        DatasetError
            If two lie equally deep: which one is meant would be a guess.
        """
        end = f"/{composed(tail).casefold()}"
        matches = [name for name in self._names if f"/{composed(name).casefold()}".endswith(end)]
        matches.sort(key=lambda name: (name.count("/"), name))
        if len(matches) > 1 and matches[0].count("/") == matches[1].count("/"):
            raise DatasetError(f"expected one {tail} in {self.path}, found {some(matches)}. Point the root below one")
        return matches[0] if matches else None

    def close(self) -> None:
        """Close handles and remove temporary files. Closing twice is allowed."""
        self._containers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # The listing can be made again and would travel with every task.
        return {name: value for name, value in vars(self).items() if name not in ("_names", "_set")}


class Lookup:
    """Finds files by the last `parts` parts of their path (0: all of it), however their names are composed (NFC, NFD).

    Case is ignored where no name matches exactly. The result is the real name of the file.
    """

    def __init__(self, names: Iterable[str], parts: int = 0) -> None:
        self._parts = parts
        self._exact: dict[str, str] = {}
        for name in sorted(names, key=lambda name: (name.count("/"), name)):
            self._exact.setdefault(self._tail(name), name)

    @cached_property
    def _folded(self) -> dict[str, str]:
        folded: dict[str, str] = {}
        for tail, name in self._exact.items():
            folded.setdefault(tail.casefold(), name)
        return folded

    def _tail(self, name: str) -> str:
        name = composed(name)
        return "/".join(name.split("/")[-self._parts :]) if self._parts else name

    def __call__(self, name: str) -> str:
        """The file that `name` means, or `name` itself where there is none: it will be reported as missing."""
        tail = self._tail(name)
        return self._exact.get(tail) or self._folded.get(tail.casefold(), name)


def counted(files: Iterable[T], on_progress: OnProgress) -> Iterator[T]:
    """The files as they are, their number reported every `_LISTED_AT_ONCE`."""
    n_files = 0
    for n_files, file in enumerate(files, start=1):
        yield file
        if n_files % _LISTED_AT_ONCE == 0:
            on_progress(Progress("files listed", n_files, 0))
    on_progress(Progress("files listed", n_files, n_files))


def composed(text: str) -> str:
    """`text` with every accented letter as one character (NFC), as Windows and Linux write it; macOS splits them."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_junk(name: str) -> bool:
    """Files that systems and tools leave behind: hidden ones, `__MACOSX`, `Thumbs.db`, ..."""
    parts = [part for part in name.split("/") if part not in (".", "..")]  # `escapes` checks those
    return any(map(is_junk_part, parts))


def is_junk_part(part: str) -> bool:
    """As `is_junk`, of the name of one file or folder."""
    return part.startswith(".") or part.casefold() in _JUNK


def escapes(name: str) -> bool:
    """Whether a relative name would lead out of the root."""
    return name.startswith("/") or name[1:3] == ":/" or (".." in name and ".." in name.split("/"))


def some(values: Sequence[str], n: int = 3) -> str:
    """The first few of `values`, for a message."""
    return ", ".join(repr(value) for value in values[:n]) + (", ..." if len(values) > n else "")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
