"""The stores that a command reads: each is opened once, and its rows are read once, however many heads are of it."""

from __future__ import annotations

from cache import Store
from cache.backends import BACKENDS
from cache.features_root import find_store, store_path
from cache.places import AnyPath
from cache.store import store_exists
from cache.writing.unfinished import unfinished
from stages.workflows.folds import FoldSources

__all__ = ["OpenedStores"]


class OpenedStores:
    """The stores below a features root that were needed so far.

    Parameters
    ----------
    features : root of the stores

    Attributes
    ----------
    units : of the stores, in the splits of their tables or of folds
    """

    def __init__(self, features: AnyPath) -> None:
        self.features, self.units = features, FoldSources()
        self._stores: dict[tuple[str, str], Store] = {}

    def store(self, encoder: str, dataset: str) -> Store:
        """The store of an encoder's folder and a dataset: see `cache.features_root.find_store`."""
        if (encoder, dataset) not in self._stores:
            self._stores[encoder, dataset] = find_store(self.features, encoder, dataset)
        return self._stores[encoder, dataset]

    def has(self, encoder: str, dataset: str) -> bool:
        """Whether anything of a store is here, an unfinished one, too, which `store` refuses."""
        paths = [store_path(self.features, encoder, dataset, backend) for backend in BACKENDS]
        return any(store_exists(path) or unfinished(path) for path in paths)
