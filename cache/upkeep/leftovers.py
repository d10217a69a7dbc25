"""What gc knows below a features root, told by its name, with the facts that decide about it.

Leftovers of killed processes have names of their own. Whatever has another name is not looked at.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cache.backends import BACKENDS
from cache.mmap_copies import hot_files
from cache.places import Place, reachable
from cache.places.atomic import PARTIAL
from cache.places.links import leading_out
from cache.places.lock import is_held, lock_path
from cache.store import stands
from cache.upkeep.inventory import (
    COMPLETE,
    UNREADABLE,
    Standing,
    begun_key,
    folders_below,
    is_pinned,
    size_of,
    standing_at,
    standing_below,
)
from cache.writing.records import Records
from cache.writing.writer import building_folder

__all__ = ["Kind", "Leftover", "leftover_at", "leftovers_below"]

_ENDING = "|".join(re.escape(backend.suffix) for backend in BACKENDS.values())
_BESIDE = re.compile(rf"\.(?P<name>.+(?:{_ENDING}))\.(?:building\.)?(?P<kind>building|swept|replaced|lock)")
_PARTIAL = re.compile(rf"\..+(?:{_ENDING}|\.npz|\.npy|\.pin){PARTIAL}")


class Kind(StrEnum):
    """What a leftover is."""

    BUILDING = "building"  # a store that grows
    SWEPT = "swept"  # about to be removed
    REPLACED = "replaced"  # the old store, while the new one is put into its place
    PARTIAL = "partial"  # a file that is being written
    LOCK = "lock"
    HOT = "hot"  # a copy for training
    STORE = "store"


@dataclass(frozen=True)
class Leftover:
    """Something that gc knows. What does not concern its kind has the default.

    Parameters
    ----------
    path, kind, n_bytes : what it is
    target : the place of the store that it belongs to; `path` if it belongs to none
    locked : whether a living process works on it
    stands : whether something stands at `target`
    shards : finished ones, of a building folder
    needed : of a building folder: its store does not stand yet; of a hot copy: a store has its key; of a lock: anything
        of its store is there
    age_s : seconds since a partial file was written to
    link : a link above it that leads out of the root, unless such links are followed
    key, pinned, state : of a store; `state` is that of `cache.upkeep.inventory.Standing`
    """

    path: Place
    kind: Kind
    n_bytes: int
    target: Place
    locked: bool = False
    stands: bool = False
    shards: int = 0
    needed: bool = True
    age_s: float = 0.0
    link: Path | None = None
    key: str = ""
    pinned: bool = False
    state: str = COMPLETE


def leftovers_below(root: Place) -> list[Leftover]:
    """Everything below `root` that gc could have an opinion about, stores included; sorted by path."""
    with reachable(root):
        standing = standing_below(root)
        keys = {found.store.key for found in standing if found.store}
        unread = any(found.state == UNREADABLE for found in standing)  # a copy may be of that store
        beside = [found for path in _candidates(root) if (found := _beside(path))]
        hot = [_hot(path, unread or key in keys) for path, key in hot_files(root)] if isinstance(root, Path) else []
        stores = [_store(found) for found in standing if stands(found.path)]
    everything = [replace(one, link=_link(one.path, root)) for one in (*beside, *hot, *stores)]
    return sorted(everything, key=lambda one: str(one.path))


def _link(path: Place, root: Place) -> Path | None:
    return leading_out(path, root) if isinstance(path, Path) else None


def leftover_at(path: Place) -> Leftover | None:
    """The facts of a store or of something beside one, as they are now; None if it is gone."""
    if found := _beside(path):
        return found if path.exists() else None
    standing = standing_at(path)
    return _store(standing) if standing and stands(path) else None


def _candidates(root: Place) -> Iterator[Place]:
    """Names in the folders where stores stand, and among the hot copies."""
    hot = root / ".hot"
    for folder in (*folders_below(root), *([hot] if hot.is_dir() else [])):
        yield from folder.iterdir()


def _beside(path: Place) -> Leftover | None:
    if found := _BESIDE.fullmatch(path.name):
        return _of_store(path, Kind(found["kind"]), path.with_name(found["name"]))
    if _PARTIAL.fullmatch(path.name):
        return Leftover(path, Kind.PARTIAL, size_of(path), path, locked=is_held(path), age_s=_age_s(path))
    return None


def _of_store(path: Place, kind: Kind, target: Place) -> Leftover:
    present, building = stands(target), building_folder(target)
    found = Leftover(path, kind, size_of(path), target, is_held(lock_path(target)), present)
    if kind == Kind.LOCK:
        anything = present or building.exists() or path.with_name(f".{target.name}.replaced").exists()
        return replace(found, needed=anything)
    if kind == Kind.BUILDING:
        begun = begun_key(target)
        return replace(found, shards=len(Records(path).read()) if begun else 0, needed=begun != _key_at(target))
    return found


def _key_at(target: Place) -> str:
    standing = standing_at(target)
    return standing.store.key if standing and standing.store else ""


def _hot(path: Path, needed: bool) -> Leftover:
    return Leftover(path, Kind.HOT, size_of(path), path, needed=needed)


def _store(found: Standing) -> Leftover:
    return Leftover(
        found.path,
        Kind.STORE,
        size_of(found.path),
        found.path,
        locked=is_held(lock_path(found.path)),
        stands=True,
        key=found.store.key if found.store else "",
        pinned=is_pinned(found.path),
        state=found.state,
    )


def _age_s(path: Place) -> float:
    """Seconds since the last write; 0 where nobody knows, which is young."""
    if isinstance(path, Path):
        return time.time() - path.lstat().st_mtime
    written = path.fs.info(path.path).get("LastModified")
    return (datetime.now(UTC) - written).total_seconds() if written else 0.0
