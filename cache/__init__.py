"""The feature store: a store is complete, or reports that it is not. numpy only: no torch, no command line.

store           `cache.open(path)`: a finished store, for reading: `.frame`, `.select(...)`, `.features(split)`
features_root   where the stores of a features root are
selection       what `.select(...)` returns: `.numpy()`, `.dask()`, `.export(path)`, ...
query           the `where` language
neighbors       exact nearest rows; best_rows: those of each query so far; half_floats: float16 as float32
threads         several items at the same time
rows            some rows of a store, block by block; what they need of it
exports         rows for other programs; export_formats: the files
mmap_copies     memory-mapped copies, for training on more than fits into RAM; mmap_format: their files
memory          how much RAM is free
csv_cells       text that a spreadsheet would run as a formula
texts           vectors of prompts; text_file: their file
remedies        errors about a missing or unfinished store, with what makes it
keys            what makes two stores the same
schema          which arrays a store has, cut into shards and blocks
columns         which columns it may have
manifest        everything else about a finished store; shard_records: checksums of its shards
reuse           rows of other stores, found by the keys of rows; row_copies: copying them
writing         a store that grows, and the one write path
upkeep          list, verify, compare, convert, clean up
atomic          files that are whole or absent
places          folders and object stores; links; one writer at a time
backends        Zarr, HDF5
testing         the contract every backend passes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cache.export_formats import ExportForm
    from cache.store import Store, open_store
    from cache.store import open_store as open  # `cache.open(path)`, as gzip.open and h5py.File are called

__all__ = ["ExportForm", "Store", "open", "open_store"]


def __getattr__(name: str) -> Any:
    """Imported when first used: whoever only writes a file needs neither pandas nor zarr."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "ExportForm":
        from cache.export_formats import ExportForm

        return ExportForm
    from cache import store

    return store.Store if name == "Store" else store.open_store


def __dir__() -> list[str]:
    return [*globals(), *__all__]
