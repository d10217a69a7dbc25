"""Faults: what can happen to a writer at any of its steps, brought about without touching our own code.

On a disk the writer is a process of its own, whose audit hook sees every file that it opens, makes, renames or
removes. In memory fsspec's file system is replaced by one that fails. (An S3 server is stopped by its gate.)
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, TypeAlias

import fsspec  # type: ignore[import-untyped]  # it has no stubs
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # nor has this

from cache.errors import CacheError
from cache.places.lock import exclusive, lock_path
from cache.testing.example import Example

__all__ = ["Fault", "FaultKind", "Killed", "Outcome", "faulty_memory", "no_space", "write_on_disk"]

FaultKind: TypeAlias = Literal["kill", "tear", "full", "broken"]

_MAKING = {"os.mkdir", "os.rename", "os.link", "os.symlink"}
_REMOVING = {"os.remove", "os.rmdir", "os.truncate"}
_TORN_AT = 10  # bytes


@dataclass(frozen=True)
class Fault:
    """What happens at the `at`-th change of a disk, counted from 1; nothing at 0.

    kill    the process is killed before it
    tear    the next file gets its first bytes only, then the process is killed
    full    no space for it, nor for any file after it
    broken  the disk reports an error, once
    """

    kind: FaultKind
    at: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a writer: the shards that it began, how many changes it made, and how it ended."""

    started: frozenset[int]
    n_changes: int | None = None
    error: str | None = None

    @property
    def is_dead(self) -> bool:
        return self.n_changes is None


def write_on_disk(target: Path, example: Example, fault: Fault) -> Outcome:
    """Write a store in another process, to which the fault happens."""
    context = multiprocessing.get_context("forkserver")  # everything is imported once, then forked for each writer
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_write, args=(target, example, fault, sender))
    process.start()
    sender.close()
    started, end = set(), Outcome(frozenset())
    try:
        while True:
            message = receiver.recv()
            if isinstance(message, Outcome):
                end = message
            else:
                started.add(message)
    except EOFError:
        process.join()
    return Outcome(frozenset(started), end.n_changes, end.error)


def _write(target: Path, example: Example, fault: Fault, sender: Connection) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; here a file that may not grow is the end
    hook = _AuditHook(fault, str(target.parent.parent))
    sys.addaudithook(hook)
    error = None
    try:
        with exclusive(lock_path(target)):
            writer = example.begin(target)
            for shard in writer.pending:
                sender.send(shard)
                example.put(writer, [shard])
            example.finish(writer)
    except (CacheError, OSError) as refused:
        error = f"{type(refused).__name__}: {refused}"
    sender.send(Outcome(frozenset(), hook.n_changes, error))


class _AuditHook:
    """An audit hook: counts what changes the tree at `top`, and causes the fault when that number is reached."""

    def __init__(self, fault: Fault, top: str) -> None:
        self._fault, self._top = fault, top
        self._lock = threading.Lock()  # zarr writes chunks from several threads
        self.n_changes = 0

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not (event in _MAKING or event in _REMOVING or (event == "open" and _is_for_writing(args))):
            return
        if not self._is_below_top(args[0]):
            return
        with self._lock:
            self.n_changes += 1
            now = self.n_changes
        if self._fault.at and now >= self._fault.at:
            self._cause(event, args[0], is_first=now == self._fault.at)

    def _is_below_top(self, path: object) -> bool:
        """Names that are relative to an open folder are ours: only `rmtree` uses them."""
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        return name.startswith(self._top) or (name != "" and not os.path.isabs(name))

    def _cause(self, event: str, path: object, *, is_first: bool) -> None:
        match self._fault.kind:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "tear" if event == "open":
                resource.setrlimit(resource.RLIMIT_FSIZE, (_TORN_AT, _TORN_AT))
            case "full" if event in {"open", "os.mkdir"}:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            case "broken" if is_first:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def _is_for_writing(args: tuple[Any, ...]) -> bool:
    flags = args[2]
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


class Killed(BaseException):
    """The process ends here, as far as the code under test can see."""


@contextmanager
def faulty_memory(at: int, end: Callable[[], BaseException] = Killed) -> Iterator[list[int]]:
    """`memory://` raises `end()` at its `at`-th change and at every one after it; never at 0.

    Yields the number of changes, as the only element of a list.
    """
    count = [0]

    def change() -> None:
        count[0] += 1
        if at and count[0] >= at:
            raise end()

    registered = fsspec.get_filesystem_class("memory")
    fsspec.register_implementation("memory", _faulty_class(change), clobber=True)
    try:
        yield count
    finally:
        fsspec.register_implementation("memory", registered, clobber=True)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _faulty_class(change: Callable[[], None]) -> type[MemoryFileSystem]:
    class FaultyMemory(MemoryFileSystem):  # type: ignore[misc]  # fsspec is not typed
        """Shares its files with the real one; `change` is called before each change."""

        def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
            if mode != "rb":
                change()
            return super()._open(path, mode, **options)

        def cp_file(self, path1: str, path2: str, **options: Any) -> None:
            change()
            super().cp_file(path1, path2, **options)

        def _rm(self, path: str) -> None:
            change()
            super()._rm(path)

    return FaultyMemory
