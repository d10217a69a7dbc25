"""What may be cleaned up below a features root, recognised by its name, with the facts that decide about it.

Leftovers of killed processes have names of their own. Files of other names are never touched.
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
)
from cache.writing.unfinished import building_folder, unfinished

__all__ = ["CandidateKind", "CleanupCandidate", "candidate_at", "candidates_below"]

_SUFFIX = "|".join(re.escape(backend.suffix) for backend in BACKENDS.values())
_OF_STORE = re.compile(rf"\.(?P<name>.+(?:{_SUFFIX}))\.(?:building\.)?(?P<kind>building|swept|replaced|lock)")
_PARTIAL = re.compile(rf"\..+(?:{_SUFFIX}|\.npz|\.npy|\.pin){PARTIAL}")


class CandidateKind(StrEnum):
    """What a candidate is."""

    BUILDING = "building"  # a store that grows
    REMOVING = "swept"  # about to be removed
    REPLACED = "replaced"  # the old store, while the new one is moved to its path
    PARTIAL = "partial"  # a file that is being written
    LOCK = "lock"
    MMAP_COPY = "mmap-copy"  # of features, for training
    STORE = "store"


@dataclass(frozen=True)
class CleanupCandidate:
    """Something that gc may remove. Fields that do not concern its kind have their defaults.

    Parameters
    ----------
    path, kind, n_bytes : what it is
    target : path of the store that it belongs to; `path` if it belongs to none
    locked : whether a living process works on it
    exists : whether something is at `target`
    shards : finished ones, of a building folder
    needed : of a building folder: its store is not finished yet; of a memory-mapped copy: a store has its key; of a
        lock: a part of its store exists
    age_s : seconds since a partial file was written to
    link : a link above it that leads out of the root, unless such links are followed
    key, pinned, state : of a store; `state` is that of `cache.upkeep.inventory.StoreStatus`
    """

    path: AnyPath
    kind: CandidateKind
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
    """Everything below `root` that gc may remove, stores included; sorted by path."""
    with network_errors(root):
        statuses = statuses_below(root)
        keys = {status.store.key for status in statuses if status.store}
        has_unreadable = any(status.state == UNREADABLE for status in statuses)  # a copy may be of that store
        named = [status for path in _names_below(root) if (status := _by_name(path))]
        copies = (
            [_mmap_copy(path, has_unreadable or key in keys) for path, key in mmap_files(root)]
            if isinstance(root, Path)
            else []
        )
        stores = [_store(status) for status in statuses if store_exists(status.path)]
    candidates = [replace(candidate, link=_link(candidate.path, root)) for candidate in (*named, *copies, *stores)]
    return sorted(candidates, key=lambda candidate: str(candidate.path))


def _link(path: AnyPath, root: AnyPath) -> Path | None:
    return leading_out(path, root) if isinstance(path, Path) else None


def candidate_at(path: AnyPath) -> CleanupCandidate | None:
    """The current facts of a store or of a leftover next to one; None if it is gone."""
    if candidate := _by_name(path):
        return candidate if path.exists() else None
    status = status_at(path)
    return _store(status) if status and store_exists(path) else None


def _names_below(root: AnyPath) -> Iterator[AnyPath]:
    """Names in the folders where stores are, and among the memory-mapped copies."""
    copies = root / MMAP_FOLDER
    for folder in (*folders_below(root), *([copies] if copies.is_dir() else [])):
        yield from folder.iterdir()


def _by_name(path: AnyPath) -> CleanupCandidate | None:
    if match := _OF_STORE.fullmatch(path.name):
        return _of_store(path, CandidateKind(match["kind"]), path.with_name(match["name"]))
    if _PARTIAL.fullmatch(path.name):
        return CleanupCandidate(
            path, CandidateKind.PARTIAL, size_of(path), path, locked=is_held(path), age_s=_age_s(path)
        )
    return None


def _of_store(path: AnyPath, kind: CandidateKind, target: AnyPath) -> CleanupCandidate:
    exists, building = store_exists(target), building_folder(target)
    candidate = CleanupCandidate(path, kind, size_of(path), target, is_held(lock_path(target)), exists)
    if kind == CandidateKind.LOCK:
        is_needed = exists or building.exists() or path.with_name(f".{target.name}.replaced").exists()
        return replace(candidate, needed=is_needed)
    if kind == CandidateKind.BUILDING and (stopped := unfinished(target)):
        return replace(candidate, shards=stopped.n_done, needed=stopped.plan.key != _key_at(target))
    return candidate


def _key_at(target: AnyPath) -> str:
    status = status_at(target)
    return status.store.key if status and status.store else ""


def _mmap_copy(path: Path, needed: bool) -> CleanupCandidate:
    return CleanupCandidate(path, CandidateKind.MMAP_COPY, size_of(path), path, needed=needed)


def _store(status: StoreStatus) -> CleanupCandidate:
    return CleanupCandidate(
        status.path,
        CandidateKind.STORE,
        size_of(status.path),
        status.path,
        locked=is_held(lock_path(status.path)),
        exists=True,
        key=status.store.key if status.store else "",
        pinned=is_pinned(status.path),
        state=status.state,
    )


def _age_s(path: AnyPath) -> float:
    """Seconds since the last write; 0 where that is not known, so that it is not removed."""
    if isinstance(path, Path):
        try:
            return time.time() - path.lstat().st_mtime
        except FileNotFoundError:  # its writer has finished
            return 0.0
    written = path.fs.info(path.path).get("LastModified")
    return (datetime.now(UTC) - written).total_seconds() if written else 0.0
