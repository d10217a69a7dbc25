"""What may be cleaned up below a features root, recognised by its name, with the facts that decide about it.

What killed processes leave has names of its own. Files of other names are never touched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cache.atomic import PARTIAL
from cache.backends import BACKENDS
from cache.mmap_format import MMAP_FOLDER, mmap_files
from cache.places import AnyPath, network_errors
from cache.places.links import leading_out
from cache.places.lock import is_held, lock_path
from cache.store import store_exists
from cache.upkeep.inventory import (
    COMPLETE,
    UNREADABLE,
    StoreStatus,
    folders_below,
    is_pinned,
    size_of,
    status_at,
    statuses_below,
    unfinished_key,
)
from cache.writing.plan import Records
from cache.writing.unfinished import building_folder

__all__ = ["CleanupCandidate", "Kind", "candidate_at", "candidates_below"]

_ENDING = "|".join(re.escape(backend.suffix) for backend in BACKENDS.values())
_OF_STORE = re.compile(rf"\.(?P<name>.+(?:{_ENDING}))\.(?:building\.)?(?P<kind>building|swept|replaced|lock)")
_PARTIAL = re.compile(rf"\..+(?:{_ENDING}|\.npz|\.npy|\.pin){PARTIAL}")


class Kind(StrEnum):
    """What a candidate is."""

    BUILDING = "building"  # a store that grows
    SWEPT = "swept"  # about to be removed
    REPLACED = "replaced"  # the old store, while the new one is put into its place
    PARTIAL = "partial"  # a file that is being written
    LOCK = "lock"
    MMAP_COPY = "mmap-copy"  # of features, for training
    STORE = "store"


@dataclass(frozen=True)
class CleanupCandidate:
    """Something that gc knows. What does not concern its kind has the default.

    Parameters
    ----------
    path, kind, n_bytes : what it is
    target : the place of the store that it belongs to; `path` if it belongs to none
    locked : whether a living process works on it
    exists : whether something is at `target`
    shards : finished ones, of a building folder
    needed : of a building folder: its store is not finished yet; of a memory-mapped copy: a store has its key; of a
        lock: anything of its store is there
    age_s : seconds since a partial file was written to
    link : a link above it that leads out of the root, unless such links are followed
    key, pinned, state : of a store; `state` is that of `cache.upkeep.inventory.StoreStatus`
    """

    path: AnyPath
    kind: Kind
    n_bytes: int
    target: AnyPath
    locked: bool = False
    exists: bool = False
    shards: int = 0
    needed: bool = True
    age_s: float = 0.0
    link: Path | None = None
    key: str = ""
    pinned: bool = False
    state: str = COMPLETE


def candidates_below(root: AnyPath) -> list[CleanupCandidate]:
    """Everything below `root` that gc could have an opinion about, stores included; sorted by path."""
    with network_errors(root):
        status = statuses_below(root)
        keys = {found.store.key for found in status if found.store}
        unread = any(found.state == UNREADABLE for found in status)  # a copy may be of that store
        named = [found for path in _names_below(root) if (found := _by_name(path))]
        copies = (
            [_mmap_copy(path, unread or key in keys) for path, key in mmap_files(root)]
            if isinstance(root, Path)
            else []
        )
        stores = [_store(found) for found in status if store_exists(found.path)]
    everything = [replace(one, link=_link(one.path, root)) for one in (*named, *copies, *stores)]
    return sorted(everything, key=lambda one: str(one.path))


def _link(path: AnyPath, root: AnyPath) -> Path | None:
    return leading_out(path, root) if isinstance(path, Path) else None


def candidate_at(path: AnyPath) -> CleanupCandidate | None:
    """The facts of a store or of what lies beside one, as they are now; None if it is gone."""
    if found := _by_name(path):
        return found if path.exists() else None
    status = status_at(path)
    return _store(status) if status and store_exists(path) else None


def _names_below(root: AnyPath) -> Iterator[AnyPath]:
    """Names in the folders where stores are, and among the memory-mapped copies."""
    copies = root / MMAP_FOLDER
    for folder in (*folders_below(root), *([copies] if copies.is_dir() else [])):
        yield from folder.iterdir()


def _by_name(path: AnyPath) -> CleanupCandidate | None:
    if found := _OF_STORE.fullmatch(path.name):
        return _of_store(path, Kind(found["kind"]), path.with_name(found["name"]))
    if _PARTIAL.fullmatch(path.name):
        return CleanupCandidate(path, Kind.PARTIAL, size_of(path), path, locked=is_held(path), age_s=_age_s(path))
    return None


def _of_store(path: AnyPath, kind: Kind, target: AnyPath) -> CleanupCandidate:
    present, building = store_exists(target), building_folder(target)
    found = CleanupCandidate(path, kind, size_of(path), target, is_held(lock_path(target)), present)
    if kind == Kind.LOCK:
        anything = present or building.exists() or path.with_name(f".{target.name}.replaced").exists()
        return replace(found, needed=anything)
    if kind == Kind.BUILDING:
        begun = unfinished_key(target)
        return replace(found, shards=len(Records(path).read()) if begun else 0, needed=begun != _key_at(target))
    return found


def _key_at(target: AnyPath) -> str:
    status = status_at(target)
    return status.store.key if status and status.store else ""


def _mmap_copy(path: Path, needed: bool) -> CleanupCandidate:
    return CleanupCandidate(path, Kind.MMAP_COPY, size_of(path), path, needed=needed)


def _store(found: StoreStatus) -> CleanupCandidate:
    return CleanupCandidate(
        found.path,
        Kind.STORE,
        size_of(found.path),
        found.path,
        locked=is_held(lock_path(found.path)),
        exists=True,
        key=found.store.key if found.store else "",
        pinned=is_pinned(found.path),
        state=found.state,
    )


def _age_s(path: AnyPath) -> float:
    """Seconds since the last write; 0 where that is not known, which keeps it."""
    if isinstance(path, Path):
        try:
            return time.time() - path.lstat().st_mtime
        except FileNotFoundError:  # its writer has finished
            return 0.0
    written = path.fs.info(path.path).get("LastModified")
    return (datetime.now(UTC) - written).total_seconds() if written else 0.0
