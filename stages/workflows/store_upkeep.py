"""What `store convert`, `store pin` and `store gc` do: convert stores, keep them, and remove what is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache import open_store
from cache.places import AnyPath
from cache.upkeep.candidates import CandidateKind, candidates_below
from cache.upkeep.cleanup import Decision, Policy, References, clean_up, decide
from cache.upkeep.conversion import convert
from cache.upkeep.inventory import set_pin
from pipeline.progress import OnProgress, Progress

__all__ = ["Conversion", "GarbageCollection", "collect_garbage", "convert_store", "pin_stores"]


@dataclass(frozen=True)
class Conversion:
    """A store in another file format.

    Parameters
    ----------
    source, path : from where to where
    n_rows, n_shards, key : of the store
    n_copied : shards that were copied; 0 if the target was up to date
    """

    source: AnyPath
    path: AnyPath
    n_rows: int
    n_shards: int
    n_copied: int
    key: str

    def summary(self) -> Mapping[str, Any]:
        """Plain data."""
        return {
            "source": str(self.source),
            "path": str(self.path),
            "rows": self.n_rows,
            "shards": self.n_shards,
            "copied": self.n_copied,
            "key": self.key,
        }


def convert_store(source: AnyPath, target: AnyPath, on_progress: OnProgress) -> Conversion:
    """Copy a store to `target`, whose suffix chooses the format: see `cache.upkeep.conversion.convert`."""
    store = open_store(source)
    n_copied = convert(store, target, lambda done, n: on_progress(Progress("convert shards", done, n)))
    return Conversion(store.path, target, len(store), store.manifest.schema.n_shards, n_copied, store.key)


def pin_stores(paths: Sequence[AnyPath], *, pinned: bool = True) -> None:
    """Have `gc` keep stores, or take their pins away.

    Raises
    ------
    CacheError
        If there is no store at one of the paths; then none is pinned. A pin of a mistyped name would keep nothing.
    """
    if pinned:
        for path in paths:
            open_store(path)
    for path in paths:
        set_pin(path, pinned=pinned)


@dataclass(frozen=True)
class GarbageCollection:
    """What was removed below a features root, or would be in a dry run.

    Parameters
    ----------
    decisions : of each candidate, and of each store that may be removed; `remove` is True where it was, or would be
    dry_run : whether nothing was removed
    """

    decisions: tuple[Decision, ...]
    dry_run: bool

    @property
    def n_removed(self) -> int:
        return sum(decision.remove for decision in self.decisions)

    @property
    def freed_bytes(self) -> int:
        return sum(decision.candidate.n_bytes for decision in self.decisions if decision.remove)

    @property
    def unfinished_bytes(self) -> int:
        """Of shards of stopped writers that are kept: a writer resumes from them."""
        candidates = [decision.candidate for decision in self.decisions if not decision.remove]
        return sum(one.n_bytes for one in candidates if one.kind == CandidateKind.BUILDING and not one.locked)


def collect_garbage(
    root: AnyPath,
    *,
    unfinished: bool = False,
    unreferenced: bool = False,
    dry_run: bool = False,
    params: Path = Path("params.yaml"),
) -> GarbageCollection:
    """Remove what killed processes left below `root`.

    Parameters
    ----------
    unfinished : also the finished shards of stopped writers
    unreferenced : also stores to which nothing refers (see `store_references`) and that have no pin
    params : a matrix that refers to stores

    Raises
    ------
    StageError, InputError
        With `unreferenced`, if a file that may refer to stores cannot be read, or there is none.
    StorageError
        If the disk refuses.
    """
    policy = Policy(unfinished, _references(root, params) if unreferenced else None)
    decisions = [decision for candidate in candidates_below(root) if (decision := decide(candidate, policy))]
    return GarbageCollection(tuple(decisions if dry_run else clean_up(decisions, policy)), dry_run)


def _references(root: AnyPath, params: Path) -> References:
    from stages.workflows.store_references import find_references  # late: it reads runs, which other verbs do not need

    return find_references(root, params)
