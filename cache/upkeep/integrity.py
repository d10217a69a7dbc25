"""Whether a store still holds what was written: every byte is read and compared with the manifest.

Reading a store checks what it touches and stops at the first damage; this looks at everything and lists it all.
"""

from __future__ import annotations

from collections.abc import Iterator

from cache.backends import backend_of
from cache.errors import NewerSchemaError, SchemaError, StorageError, StoreDamagedError, StoreLockedError
from cache.places import AnyPath, as_path
from cache.store import Store, open_store
from cache.upkeep.inspection import Inspection, OnShard
from cache.upkeep.mmap_check import wrong_copies
from cache.upkeep.problems import COPY, FOREIGN, UNREAD, Problem, problem_text

__all__ = ["verify"]

_REFUSED = (NewerSchemaError, StorageError, StoreLockedError)  # the bytes may be right


def verify(where: str | AnyPath | Store, on_shard: OnShard | None = None) -> list[Problem]:
    """Compare everything in a store with its manifest; a few MB, or one shard, are in memory at a time.

    Structure first (arrays, chunks, columns), then every row of every output and view: CRC32C, SHA-256, and that
    rejected rows hold nothing while all others hold finite numbers. Then its copies, see `cache.mmap_copies`.

    Parameters
    ----------
    where : a finished store
    on_shard : called with (done, all) after each shard

    Returns
    -------
    All problems, not only the first; empty if the store is what was written. Where something is in the way of reading,
    the last one is of kind `unread`, and what would follow was not checked.

    Raises
    ------
    StoreMissingError, StoreIncompleteError
        If no finished store is there.
    """
    path = where.path if isinstance(where, Store) else as_path(where)
    backend_of(path)  # a wrong name is a mistake of the caller, not damage
    problems: list[Problem] = []
    try:
        for problem in _problems(path, on_shard or (lambda _done, _all: None)):
            problems.append(problem)  # noqa: PERF402  # those before a refusal are returned, too
    except _REFUSED as error:
        problems.append(Problem(UNREAD, str(path), problem_text(error, path)))
    return problems


def _problems(path: AnyPath, on_shard: OnShard) -> Iterator[Problem]:
    try:
        store = open_store(path)
    except NewerSchemaError:
        raise
    except (StoreDamagedError, SchemaError) as error:
        yield Problem("manifest", str(path), problem_text(error, path))
        return
    damaged = False
    for problem in Inspection(store, on_shard).problems():
        damaged |= problem.is_damage
        yield problem
    if not damaged:  # else copies would be compared with what is not right
        yield from _copy_problems(store)


def _copy_problems(store: Store) -> Iterator[Problem]:
    for path, what in wrong_copies(store):
        if what is None:
            yield Problem(FOREIGN, str(path), "it is no copy of rows of this store, and is not used")
        else:
            yield Problem(COPY, str(path), what)
