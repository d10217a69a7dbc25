"""What may be removed below a features root: leftovers of killed processes, and on demand work and stores.

`judge` decides by facts alone; `sweep` asks for the facts once more under the store's lock before it removes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from cache.errors import StoreLockedError
from cache.places import Place, is_remote, remove_tree
from cache.places.atomic import storage_errors
from cache.places.lock import exclusive, lock_path
from cache.places.objects import ENTRY
from cache.store import stands
from cache.upkeep.inventory import COMPLETE
from cache.upkeep.leftovers import Kind, Leftover, leftover_at
from cache.writing.writer import building_folder

__all__ = ["Policy", "References", "Verdict", "judge", "one_name", "sweep"]

_YOUNG_S = 3600.0  # a partial file of a living writer was written to seconds ago


@dataclass(frozen=True)
class References:
    """Who needs which store. The values say why, for people.

    Parameters
    ----------
    paths : `one_name` of a store, or of a folder above it
    keys : of stores
    names : `<encoder>/<dataset>`, under whatever root and in whatever format
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def why(self, target: Place, key: str) -> str | None:
        """Who needs this store; None if nobody does."""
        for path in (target, *target.parents):
            if reason := self.paths.get(one_name(path)):
                return reason
        return self.keys.get(key) or self.names.get(f"{target.parent.name}/{target.stem}")


def one_name(path: Place) -> str:
    """The same text for the same place, however it is written."""
    return str(path) if is_remote(path) else str(path.resolve())


@dataclass(frozen=True)
class Policy:
    """What may be removed besides what is of no use to anybody.

    Parameters
    ----------
    unfinished : also the finished shards of stopped writers
    references : also stores that nobody needs; None leaves all stores alone
    """

    unfinished: bool = False
    references: References | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a leftover is to go, and why."""

    leftover: Leftover
    remove: bool
    reason: str


def judge(leftover: Leftover, policy: Policy) -> Verdict | None:
    """Remove it or keep it; None if there is nothing to say about it. Facts in, verdict out."""
    verdict = _judge(leftover, policy)
    if verdict and verdict.remove and leftover.link:
        reason = f"{leftover.link} is a link that leads out of the folder: --follow-links removes it"
        return Verdict(leftover, remove=False, reason=reason)
    return verdict


def _judge(found: Leftover, policy: Policy) -> Verdict | None:
    match found.kind:
        case Kind.STORE:
            return _judge_store(found, policy)
        case Kind.HOT:
            return None if found.needed else Verdict(found, remove=True, reason="no store here has its key")
        case Kind.LOCK:
            gone = not (found.needed or found.locked)
            return Verdict(found, remove=True, reason="nothing of its store is there") if gone else None
        case _ if found.locked:
            return Verdict(found, remove=False, reason="a living process works on it")
        case Kind.BUILDING:
            return _judge_building(found, policy)
        case Kind.REPLACED:
            reason = "an old store; the new one stands" if found.stands else "the only copy of its store"
            return Verdict(found, found.stands, reason)
        case Kind.PARTIAL:
            old = found.age_s > _YOUNG_S
            return Verdict(found, remove=True, reason="a process was killed while it wrote this") if old else None
        case Kind.SWEPT:
            return Verdict(found, remove=True, reason="a process was killed while it removed this")


def _judge_building(found: Leftover, policy: Policy) -> Verdict:
    if not found.needed:
        return Verdict(found, remove=True, reason="its store stands already")
    if not found.shards:
        return Verdict(found, remove=True, reason="no shard of it is finished")
    work = f"{found.shards} finished shards of a stopped writer"
    return Verdict(found, policy.unfinished, work if policy.unfinished else f"{work}: --unfinished removes them")


def _judge_store(found: Leftover, policy: Policy) -> Verdict | None:
    if policy.references is None:
        return None
    if found.pinned:
        return Verdict(found, remove=False, reason="pinned")
    if found.locked:
        return Verdict(found, remove=False, reason="a living process works on it")
    if found.state != COMPLETE:
        return Verdict(found, remove=False, reason=f"{found.state}: who needs it cannot be told")
    reason = policy.references.why(found.target, found.key)
    return Verdict(found, reason is None, reason or "nothing refers to it")


def sweep(verdicts: Sequence[Verdict], policy: Policy) -> list[Verdict]:
    """Remove what is to go. What has changed since it was judged is judged again, and may be kept.

    Returns
    -------
    What became of each: `remove` is True where it was removed.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    return [_carried_out(verdict, policy) if verdict.remove else verdict for verdict in verdicts]


def _carried_out(verdict: Verdict, policy: Policy) -> Verdict:
    leftover = verdict.leftover
    of_store = leftover.kind not in (Kind.PARTIAL, Kind.HOT)
    try:
        with exclusive(lock_path(leftover.target)) if of_store else nullcontext(), storage_errors(leftover.path):
            now = _judged_again(leftover, policy) if of_store else verdict
            if now is None:
                return replace(verdict, remove=False, reason="it is gone already, or needed by now")
            if now.remove and not _removed(leftover):
                return replace(now, remove=False, reason="the system refuses to remove all of it")
            return now
    except StoreLockedError:
        return replace(verdict, remove=False, reason="a living process works on it")


def _judged_again(leftover: Leftover, policy: Policy) -> Verdict | None:
    """The verdict on what is there now, by us who hold the lock."""
    fresh = leftover_at(leftover.path)
    return judge(replace(fresh, locked=False), policy) if fresh else None


def _removed(leftover: Leftover) -> bool:
    """Remove it so that a kill leaves it whole, or as a leftover that the next gc knows. Whether nothing is left."""
    path, target = leftover.path, leftover.target
    if leftover.kind == Kind.STORE:
        path = _out_of_sight(path)
    if isinstance(path, Path) and path.is_symlink():
        path.unlink()
    remove_tree(path)
    if target != path and not (stands(target) or building_folder(target).exists()):
        remove_tree(lock_path(target))
    return not path.exists()


def _out_of_sight(path: Place) -> Place:
    """Take a store away from its readers in one step."""
    if not isinstance(path, Path):
        remove_tree(path / ENTRY)  # without it nobody takes the rest for a store
        return path
    swept = path.with_name(f".{path.name}.swept")
    remove_tree(swept)
    path.rename(swept)
    return swept
