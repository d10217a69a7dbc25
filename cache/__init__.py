"""Where features live: stores that are whole or say that they are not. numpy only: no torch, no command line.

open            a finished store, for reading: `.frame`, `.select(...)`, `.features(split)`
keys            what makes two stores the same
schema          which arrays a store has, cut into shards and blocks
writer          the one write path: shards, journal, finish
manifest        what a finished store says of itself
query           the `where` language
exports         rows for other programs, in an `ExportForm`
csv_cells       text that a spreadsheet would run as a formula
texts           vectors of prompts
atomic, lock    files that are whole; one writer at a time
backends        Zarr, HDF5, memory
testing         the contract every backend passes
"""

from cache.exports import ExportForm
from cache.store import Store, open_store
from cache.store import open_store as open  # `cache.open(path)`, as gzip.open and h5py.File are called

__all__ = ["ExportForm", "Store", "open", "open_store"]
