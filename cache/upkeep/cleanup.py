"""What may be removed below a features root: leftovers of killed processes, and on demand work and stores.

`decide` uses facts alone; `clean_up` reads them again under the store's lock before it removes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from cache.errors import StoreLockedError
from cache.places import AnyPath, remove_tree
from cache.places.lock import exclusive, lock_path
from cache.places.objects import METADATA_FILE
from cache.places.refusals import storage_errors
from cache.store import store_exists
from cache.upkeep.candidates import CandidateKind, CleanupCandidate, candidate_at
from cache.upkeep.inventory import COMPLETE
from cache.writing.unfinished import building_folder

__all__ = ["Decision", "Policy", "References", "canonical_path", "clean_up", "decide"]

_YOUNG_S = 3600.0  # a partial file of a living writer was written to seconds ago


@dataclass(frozen=True)
class References:
    """Which stores are needed. The values are the reasons, for messages.

    Parameters
    ----------
    paths : `canonical_path` of a store, or of a folder above it
    keys : of stores
    names : `<encoder>/<dataset>`, under whatever root and in whatever format
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def why(self, target: AnyPath, key: str) -> str | None:
        """Why this store is needed; None if it is not."""
        for path in (target, *target.parents):
            if reason := self.paths.get(canonical_path(path)):
                return reason
        return self.keys.get(key) or self.names.get(f"{target.parent.name}/{target.stem}")


def canonical_path(path: AnyPath) -> str:
    """The same text for the same path, however it is written."""
    return str(path.resolve()) if isinstance(path, Path) else str(path)


@dataclass(frozen=True)
class Policy:
    """What may be removed besides leftovers without any use.

    Parameters
    ----------
    unfinished : also the finished shards of stopped writers
    references : also stores that are not needed; None removes no store
    """

    unfinished: bool = False
    references: References | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a candidate is to be removed, and why."""

    candidate: CleanupCandidate
    remove: bool
    reason: str


def decide(candidate: CleanupCandidate, policy: Policy) -> Decision | None:
    """Whether to remove a candidate, by its facts alone; None if it is not worth a line."""
    decision = _decide(candidate, policy)
    if decision and decision.remove and candidate.link:
        reason = f"{candidate.link} is a link that leads out of the folder: --follow-links removes it"
        return Decision(candidate, remove=False, reason=reason)
    return decision


def _decide(candidate: CleanupCandidate, policy: Policy) -> Decision | None:
    match candidate.kind:
        case CandidateKind.STORE:
            return _decide_store(candidate, policy)
        case CandidateKind.MMAP_COPY:
            return None if candidate.needed else Decision(candidate, remove=True, reason="no store here has its key")
        case CandidateKind.LOCK:
            is_useless = not (candidate.needed or candidate.locked)
            return Decision(candidate, remove=True, reason="nothing of its store is there") if is_useless else None
        case _ if candidate.locked:
            return Decision(candidate, remove=False, reason="a living process works on it")
        case CandidateKind.BUILDING:
            return _decide_building(candidate, policy)
        case CandidateKind.REPLACED:
            reason = "an old store; the new one is in place" if candidate.exists else "the only copy of its store"
            return Decision(candidate, candidate.exists, reason)
        case CandidateKind.PARTIAL:
            old = candidate.age_s > _YOUNG_S
            return Decision(candidate, remove=True, reason="a process was killed while it wrote this") if old else None
        case CandidateKind.REMOVING:
            return Decision(candidate, remove=True, reason="a process was killed while it removed this")


def _decide_building(candidate: CleanupCandidate, policy: Policy) -> Decision:
    if not candidate.needed:
        return Decision(candidate, remove=True, reason="its store is finished already")
    if not candidate.shards:
        return Decision(candidate, remove=True, reason="no shard of it is finished")
    work = f"{candidate.shards} finished shards of a stopped writer"
    return Decision(candidate, policy.unfinished, work if policy.unfinished else f"{work}: --unfinished removes them")


def _decide_store(candidate: CleanupCandidate, policy: Policy) -> Decision | None:
    if policy.references is None:
        return None
    if candidate.pinned:
        return Decision(candidate, remove=False, reason="pinned")
    if candidate.locked:
        return Decision(candidate, remove=False, reason="a living process works on it")
    if candidate.state != COMPLETE:
        return Decision(candidate, remove=False, reason=f"{candidate.state}: who needs it is not known")
    reason = policy.references.why(candidate.target, candidate.key)
    return Decision(candidate, reason is None, reason or "nothing refers to it")


def clean_up(decisions: Sequence[Decision], policy: Policy) -> list[Decision]:
    """Remove what was decided. A candidate that has changed since is decided again, and may stay.

    Returns
    -------
    The outcome of each: `remove` is True where it was removed.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    return [_carried_out(decision, policy) if decision.remove else decision for decision in decisions]


def _carried_out(decision: Decision, policy: Policy) -> Decision:
    candidate = decision.candidate
    of_store = candidate.kind not in (CandidateKind.PARTIAL, CandidateKind.MMAP_COPY)
    try:
        with exclusive(lock_path(candidate.target)) if of_store else nullcontext(), storage_errors(candidate.path):
            current = _decided_again(candidate, policy) if of_store else decision
            if current is None:
                return replace(decision, remove=False, reason="it is gone already, or needed by now")
            if current.remove and not _removed(candidate):
                return replace(current, remove=False, reason="the system refuses to remove all of it")
            return current
    except StoreLockedError:
        return replace(decision, remove=False, reason="a living process works on it")


def _decided_again(candidate: CleanupCandidate, policy: Policy) -> Decision | None:
    """The decision by the current facts; this process holds the lock."""
    current = candidate_at(candidate.path)
    return decide(replace(current, locked=False), policy) if current else None


def _removed(candidate: CleanupCandidate) -> bool:
    """Remove it so that a kill leaves all of it, or a leftover for the next gc; returns whether nothing is left."""
    path, target = candidate.path, candidate.target
    if candidate.kind == CandidateKind.STORE:
        path = _out_of_sight(path)
    remove_tree(path)
    if target != path and not (store_exists(target) or building_folder(target).exists()):
        remove_tree(lock_path(target))
    return not path.exists()


def _out_of_sight(path: AnyPath) -> AnyPath:
    """Take a store away from its readers in one step."""
    if not isinstance(path, Path):
        remove_tree(path / METADATA_FILE)  # without it no reader takes the rest for a store
        return path
    hidden = path.with_name(f".{path.name}.swept")
    remove_tree(hidden)
    with suppress(FileNotFoundError):  # what is not there any more needs no hiding
        path.rename(hidden)
    return hidden
