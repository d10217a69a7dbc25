"""Where the stores of a features root are: `root/<encoder>/<dataset>.zarr` or `.h5`."""

from __future__ import annotations

from typing import Any

from cache.backends import BACKENDS
from cache.errors import QueryError, StoreMissingError
from cache.keys import differences
from cache.places import AnyPath
from cache.places.names import path_part
from cache.store import Store, open_store, store_exists
from cache.writing.unfinished import unfinished

__all__ = ["find_store", "store_path"]


def store_path(root: AnyPath, encoder: str, dataset: str, backend: str) -> AnyPath:
    """Where the features of one dataset under one encoder are: `root/<encoder>/<dataset>.zarr`.

    Raises
    ------
    QueryError
        If a name is a path: nothing outside of `root` is read or written.
    """
    return root / path_part("encoder", encoder) / f"{path_part('dataset', dataset)}{BACKENDS[backend].suffix}"


def find_store(root: AnyPath, encoder: str, dataset: str) -> Store:
    """The finished store of a dataset, whichever backend holds it.

    Raises
    ------
    StoreMissingError
        If there is none, or if two backends differ in their key, in a column or in what the columns describe.
    """
    if "/" in dataset or "\\" in dataset:
        raise QueryError(
            f"expected the name of a dataset, found {dataset!r}: a path. Its store is named <dataset>.zarr"
        )
    if "," in dataset:
        raise QueryError(f"expected the name of one dataset, found {dataset!r}: a list. Name each one by itself")
    paths = [store_path(root, encoder, dataset, backend) for backend in BACKENDS]
    stores = [open_store(path) for path in paths if store_exists(path)]
    if not stores:
        return open_store(next(filter(unfinished, paths), paths[0]))  # raises: unfinished or missing
    if len(stores) > 1 and (differing := sorted(differences(_described(stores[0]), _described(stores[1])))):
        places = " and ".join(str(store.path) for store in stores)
        raise StoreMissingError(
            f"{places} are two stores of {dataset} that differ in {', '.join(differing)}: remove the one you do not "
            "want, or extract it again"
        )
    return stores[0]


def _described(store: Store) -> dict[str, Any]:
    """What a reader of the store may see: all that its key is made of, columns by digest, and what they describe."""
    manifest = store.manifest
    return {"key": dict(manifest.key_fields), "columns": dict(manifest.columns), "dataset": dict(manifest.dataset)}
