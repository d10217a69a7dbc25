"""What a writer leaves while its store grows: a hidden folder next to the store, which the next writer resumes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cache.backends import backend_of
from cache.keys import StoreKey
from cache.places import AnyPath, remove_tree
from cache.places.refusals import storage_errors
from cache.schema import Schema
from cache.shard_records import ShardRecord
from cache.writing.plan import Plan, RecordFiles, plan_path, read_plan

__all__ = ["UnfinishedStore", "building_folder", "finished_shards", "is_resumable", "remove_unfinished", "unfinished"]


def building_folder(target: AnyPath) -> AnyPath:
    """Where the store that will be at `target` grows."""
    return target.with_name(f".{target.name}.building")


@dataclass(frozen=True)
class UnfinishedStore:
    """A store whose writer was stopped: its plan, and how many of its shards are finished."""

    plan: Plan
    n_done: int

    @property
    def progress(self) -> str:
        """In words: `41 of 60 shards`."""
        return f"{self.n_done} of {self.plan.schema.n_shards} shards"


def unfinished(target: AnyPath) -> UnfinishedStore | None:
    """The unfinished store of a stopped writer of `target`, or None."""
    folder = building_folder(target)
    plan = read_plan(folder)
    return UnfinishedStore(plan, len(RecordFiles(folder, plan.schema).read())) if plan else None


def finished_shards(target: AnyPath, key: StoreKey, schema: Schema) -> dict[int, ShardRecord]:
    """The shards of this very store that a stopped writer has finished."""
    return RecordFiles(building_folder(target), schema).read() if is_resumable(target, key, schema) else {}


def is_resumable(target: AnyPath, key: StoreKey, schema: Schema) -> bool:
    """Whether a stopped writer left shards of this very store, with the blocks that they need."""
    folder = building_folder(target)
    plan = read_plan(folder)
    return plan is not None and plan.is_of(key, schema) and backend_of(target).holds_blocks(folder)


def remove_unfinished(folder: AnyPath) -> None:
    """Remove a building folder in one step, so that a kill leaves all of it or none that could be resumed."""
    with storage_errors(folder):
        if not isinstance(folder, Path):
            remove_tree(plan_path(folder))  # without its plan it cannot be resumed
            remove_tree(folder)
            return
        hidden = folder.with_name(f"{folder.name}.swept")
        remove_tree(hidden)
        if os.path.lexists(folder):
            folder.rename(hidden)
            remove_tree(hidden)
