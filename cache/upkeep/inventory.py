"""What is below a features root: finished stores, unfinished ones, and what only has the name of a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cache.atomic import write_bytes
from cache.backends import BACKENDS
from cache.errors import CacheError, SchemaError, StoreDamagedError
from cache.places import AnyPath, is_file, network_errors
from cache.store import Store, open_store, store_exists
from cache.writing.unfinished import building_folder, unfinished

__all__ = [
    "COMPLETE",
    "UNREADABLE",
    "StoreStatus",
    "folders_below",
    "is_pinned",
    "set_pin",
    "size_of",
    "status_at",
    "statuses_below",
    "targets_below",
]

COMPLETE, INCOMPLETE, DAMAGED, FOREIGN = "complete", "incomplete", "damaged", "foreign"
UNREADABLE = "unreadable"

_SUFFIXES = tuple(backend.suffix for backend in BACKENDS.values())
_PIN = ".pin"
_PIN_TEXT = b"fer-stage store gc keeps this store\n"


@dataclass(frozen=True)
class StoreStatus:
    """What is at the path of a store.

    Parameters
    ----------
    path : of the store, finished or not
    state : `complete`, `incomplete` (a writer was stopped), `damaged` (its manifest is not what was written),
        `unreadable` (the system or another program does not let it be read now: it may be whole), or `foreign` (no
        store of ours, or one of a newer program)
    progress : "41 of 60 shards" where a writer was stopped, also next to a finished store; else empty
    why : why it cannot be opened
    store : the opened store, if it is complete
    """

    path: AnyPath
    state: str
    progress: str = ""
    why: str = ""
    store: Store | None = None


def folders_below(root: AnyPath) -> Iterator[AnyPath]:
    """`root` and the folders below it that are no stores and not hidden. Each once, also where links lead to it."""
    yield from _folders(root, set())


def _folders(folder: AnyPath, visited: set[str]) -> Iterator[AnyPath]:
    real = str(folder.resolve())
    if folder.name.endswith(_SUFFIXES) or real in visited or not folder.is_dir():
        return
    visited.add(real)
    yield folder
    for inside in folder.iterdir():
        if not inside.name.startswith("."):
            yield from _folders(inside, visited)


def targets_below(root: AnyPath) -> list[AnyPath]:
    """Where stores are or grow under `root`, sorted; `root` itself if it is a store."""
    if root.name.endswith(_SUFFIXES):
        return [root]
    targets = {target for folder in folders_below(root) for inside in folder.iterdir() if (target := _target(inside))}
    return sorted(targets, key=str)


def _target(inside: AnyPath) -> AnyPath | None:
    """The store that is finished or grows at this name, if one does."""
    name = inside.name.removeprefix(".").removesuffix(".building")
    target = inside.with_name(name)
    return target if name.endswith(_SUFFIXES) and inside in (target, building_folder(target)) else None


def statuses_below(root: AnyPath) -> list[StoreStatus]:
    """The status of every store under `root`, finished or not. Manifests are read, features are not."""
    with network_errors(root):
        statuses = [status_at(target) for target in targets_below(root)]
    return [status for status in statuses if status is not None]


def status_at(target: AnyPath) -> StoreStatus | None:
    """The status of the store at `target`; None if nothing is there."""
    stopped = unfinished(target)
    progress = stopped.progress if stopped else ""
    if store_exists(target):
        try:
            return StoreStatus(target, COMPLETE, progress, store=open_store(target))
        except CacheError as error:
            if store_exists(target):  # otherwise another process has removed it since
                return StoreStatus(target, _state(error), progress, why=str(error))
    return StoreStatus(target, INCOMPLETE, progress) if stopped else None


def _state(error: CacheError) -> str:
    """What the error of `open_store` means."""
    if isinstance(error, StoreDamagedError):
        return DAMAGED
    return FOREIGN if isinstance(error, SchemaError) else UNREADABLE


def size_of(where: AnyPath) -> int:
    """Bytes of a file, or of all files of a tree; a link counts by its own size, not its target's."""
    if not isinstance(where, Path):
        with network_errors(where):
            return int(where.fs.du(where.path)) if where.fs.exists(where.path) else 0
    if where.is_symlink() or not where.is_dir():
        return _file_size(where)
    files = (os.path.join(folder, name) for folder, _folders, names in os.walk(where) for name in names)
    return sum(_file_size(file) for file in files)


def _file_size(path: str | Path) -> int:
    """Bytes of one file; 0 if another process has removed it by now."""
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


def _pin_path(target: AnyPath) -> AnyPath:
    """The file that stops gc from removing the store at `target`."""
    return target.with_name(f".{target.name}{_PIN}")


def is_pinned(target: AnyPath) -> bool:
    with network_errors(target):
        return is_file(_pin_path(target))


def set_pin(target: AnyPath, *, pinned: bool) -> None:
    """Pin or unpin the store at `target`."""
    with network_errors(target):
        if pinned:
            write_bytes(_pin_path(target), _PIN_TEXT)
        else:
            _pin_path(target).unlink(missing_ok=True)
