"""What `store ls` and `store info` do: list and describe stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cache import open_store
from cache.errors import CacheError
from cache.places import AnyPath
from cache.schema import OK
from cache.upkeep.inventory import is_pinned, size_of, statuses_below
from cache.writing.unfinished import building_folder, unfinished
from pipeline.progress import OnProgress
from stages.requests import DescribeStoreRequest
from stages.results import StoredArray, StoreDescription

if TYPE_CHECKING:
    import pandas as pd

    from cache.store import Store
    from cache.upkeep.inventory import StoreStatus

__all__ = ["ListedStore", "describe_store", "description_of", "list_stores"]


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
    return [_listed(status) for status in statuses_below(root)]


def _listed(status: StoreStatus) -> ListedStore:
    path, store = status.path, status.store
    unfinished_folder = building_folder(path) if status.progress else None
    schema = store.manifest.schema if store else None
    return ListedStore(
        path=path,
        dataset=store.dataset if store else path.stem,
        encoder=path.parent.name,
        n_rows=schema.n_rows if schema else None,
        n_views=schema.n_views if schema else None,
        outputs=tuple(array.name for array in schema.arrays) if schema else (),
        dtype=store.manifest.key_fields["dtype"] if store else None,
        n_bytes=size_of(path) + (size_of(unfinished_folder) if unfinished_folder else 0),
        n_rejected=_n_rejected(store) if store else None,
        is_pinned=is_pinned(path),
        state=f"{status.state}, {status.progress}" if status.progress else status.state,
        key=store.key if store else None,
        why=status.why,
    )


def _n_rejected(store: Store) -> int | None:
    try:
        return int((store.columns(["status"])["status"] != OK).sum())
    except CacheError:  # damage: `verify` reports it
        return None


def describe_store(request: DescribeStoreRequest, _on_progress: OnProgress) -> StoreDescription:
    """Describe a finished store; features are not read.

    Raises
    ------
    CacheError
        If there is no finished store, or its columns are damaged.
    """
    return description_of(open_store(request.store))


def description_of(store: Store) -> StoreDescription:
    """The description of an open store; CacheError if its columns are damaged."""
    manifest, unfinished_writer = store.manifest, unfinished(store.path)
    store.check_columns()
    frame = store.columns([name for name in ("split", "label", "status", "reason") if name in manifest.columns])
    rejected = frame[frame["status"] != OK]
    return StoreDescription(
        path=store.path,
        dataset=manifest.dataset,
        n_rows=len(store),
        n_views=store.n_views(),
        n_bytes=size_of(store.path),
        status=_counts(frame["status"]),
        reasons=_counts(rejected["reason"]) if "reason" in rejected else {},
        counts=_by_split(frame),
        clips=_by_split(store.columns(["clip", "split", "label"]).drop_duplicates("clip"))
        if store.unit == "clip"
        else None,
        arrays=tuple(_stored_array(store, array.name) for array in manifest.schema.arrays),
        n_shards=manifest.schema.n_shards,
        shard_rows=manifest.schema.shard_rows,
        columns=manifest.columns,
        key=store.key,
        key_fields=manifest.key_fields,
        provenance=manifest.provenance,
        is_pinned=is_pinned(store.path),
        being_replaced=unfinished_writer.progress if unfinished_writer else "",
    )


def _by_split(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Split -> label -> number of rows, of those that occur together."""
    counts = frame.groupby(["split", "label"]).size().unstack(fill_value=0)
    return {str(split): {str(label): int(n) for label, n in of.items() if n} for split, of in counts.iterrows()}


def _counts(values: pd.Series[str]) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    return {str(value): int(n) for value, n in values.value_counts().items()}


def _stored_array(store: Store, name: str) -> StoredArray:
    array = store.array(name)
    layout = store.backend.layout(store.path, name)
    return StoredArray(
        name=name,
        shape=(store.n_views(), len(store), *array.row_shape),
        dtype=array.dtype,
        n_bytes=store.n_views() * len(store) * array.row_bytes,
        chunks=tuple(layout.chunks) if layout and layout.chunks else None,
        sha256=store.manifest.arrays[name],
    )
