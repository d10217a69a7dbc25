"""How arrays are laid out on disk. `BACKENDS` is the one registry; the suffix of a store's name chooses the backend."""

from __future__ import annotations

from cache.backends.base import Backend, Target, read_ranges
from cache.backends.hdf5_store import Hdf5Backend
from cache.backends.zarr_store import ZarrBackend
from cache.errors import SchemaError
from cache.places import AnyPath

__all__ = ["BACKENDS", "Backend", "Target", "backend_name", "backend_of", "read_ranges"]

BACKENDS: dict[str, Backend] = {
    "zarr": ZarrBackend(),
    "hdf5": Hdf5Backend(),
}


def backend_name(path: AnyPath) -> str:
    """The name of the backend of the store at `path`, by its suffix."""
    for name, backend in BACKENDS.items():
        if path.suffix == backend.suffix:
            return name
    suffixes = ", ".join(backend.suffix for backend in BACKENDS.values())
    raise SchemaError(f"{path}: the name of a store ends with one of {suffixes}")


def backend_of(path: AnyPath) -> Backend:
    """The backend of the store at `path`, by its suffix."""
    return BACKENDS[backend_name(path)]
