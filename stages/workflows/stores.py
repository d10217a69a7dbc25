"""What the verbs of `store` do: list, describe, convert and pin stores, and remove what is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache import open_store
from cache.errors import CacheError
from cache.places import AnyPath
from cache.upkeep.candidates import CandidateKind, candidates_below
from cache.upkeep.cleanup import Decision, Policy, References, clean_up, decide
from cache.upkeep.conversion import convert
from cache.upkeep.inventory import is_pinned, set_pin, size_of, statuses_below
from cache.writing.unfinished import building_folder, unfinished
from pipeline.progress import OnProgress, Progress

if TYPE_CHECKING:
    from cache.store import Store
    from cache.upkeep.inventory import StoreStatus

__all__ = [
    "Conversion",
    "GarbageCollection",
    "ListedStore",
    "collect_garbage",
    "convert_store",
    "describe_store",
    "list_stores",
    "pin_stores",
]


@dataclass(frozen=True)
class ListedStore:
    """A store below a features root, finished or not, or what only has the name of one.

    Parameters
    ----------
    path, dataset, encoder : where; of what; the name of the folder
    n_rows, n_views, outputs, dtype, key : None or empty if it cannot be opened
    n_bytes : on disk, with the folder of an unfinished writer
    n_rejected : rows without a feature, rejected by `index` or by `extract`; None if its columns are damaged
    is_pinned : whether `gc` keeps it
    state : complete, incomplete, damaged, unreadable or foreign, and how far an unfinished writer came
    why : why it cannot be opened, else empty
    """

    path: AnyPath
    dataset: str
    encoder: str
    n_rows: int | None
    n_views: int | None
    outputs: tuple[str, ...]
    dtype: str | None
    n_bytes: int
    n_rejected: int | None
    is_pinned: bool
    state: str
    key: str | None
    why: str


def list_stores(root: AnyPath) -> list[ListedStore]:
    """Every store below `root`; features are not read."""
    return [_listed(standing) for standing in statuses_below(root)]


def _listed(standing: StoreStatus) -> ListedStore:
    path, store = standing.path, standing.store
    growing = building_folder(path) if standing.progress else None
    schema = store.manifest.schema if store else None
    return ListedStore(
        path=path,
        dataset=store.dataset if store else path.stem,
        encoder=path.parent.name,
        n_rows=schema.n_rows if schema else None,
        n_views=schema.n_views if schema else None,
        outputs=tuple(array.name for array in schema.arrays) if schema else (),
        dtype=store.manifest.key_fields["dtype"] if store else None,
        n_bytes=size_of(path) + (size_of(growing) if growing else 0),
        n_rejected=_n_rejected(store) if store else None,
        is_pinned=is_pinned(path),
        state=f"{standing.state}, {standing.progress}" if standing.progress else standing.state,
        key=store.key if store else None,
        why=standing.why,
    )


def _n_rejected(store: Store) -> int | None:
    try:
        return int((store.columns(["status"])["status"] != "ok").sum())
    except CacheError:  # damage: `verify` reports it
        return None


def describe_store(store: Store) -> Mapping[str, Any]:
    """What a store holds, what it was made of, by what, and how it lies on disk: plain data.

    Raises
    ------
    CacheError
        If its columns are damaged.
    """
    manifest, frame, left = store.manifest, store.frame, unfinished(store.path)
    counts = frame.groupby(["split", "label"]).size().unstack(fill_value=0)
    return {
        "path": str(store.path),
        "dataset": dict(manifest.dataset),
        "rows": len(store),
        "views": store.n_views(),
        "bytes": size_of(store.path),
        "status": frame["status"].value_counts().to_dict(),
        "reasons": frame.loc[frame["status"] != "ok", "reason"].value_counts().to_dict() if "reason" in frame else {},
        "counts": {split: labels[labels > 0].to_dict() for split, labels in counts.iterrows()},
        "arrays": {array.name: _described_array(store, array.name) for array in manifest.schema.arrays},
        "shards": {"count": manifest.schema.n_shards, "rows": manifest.schema.shard_rows},
        "columns": dict(manifest.columns),
        "key": store.key,
        "key_fields": dict(manifest.key_fields),
        "provenance": dict(manifest.provenance),
        "pinned": is_pinned(store.path),
        "being_replaced": left.progress if left else "",
    }


def _described_array(store: Store, name: str) -> dict[str, Any]:
    array = store.array(name)
    layout = store.backend.layout(store.path, name)
    return {
        "shape": [store.n_views(), len(store), *array.row_shape],
        "dtype": array.dtype,
        "bytes": store.n_views() * len(store) * array.row_bytes,
        "chunks": list(layout.chunks) if layout and layout.chunks else "in one piece",
        "sha256": store.manifest.arrays[name],
    }


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
