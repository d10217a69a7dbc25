"""Where features live: stores that are whole or say that they are not. numpy only: no torch, no command line.

store           `cache.open(path)`: a finished store, for reading: `.frame`, `.select(...)`, `.features(split)`
selection       what `.select(...)` returns: `.numpy()`, `.dask()`, `.export(path)`, ...
query           the `where` language
neighbors       exact nearest rows
rows            some rows of a store, block by block; what they need of it
exports         rows for other programs, in an `ExportForm`
csv_cells       text that a spreadsheet would run as a formula
memory          how much RAM is free
mmap_copies     memory-mapped copies, for training on more than fits into RAM
texts           vectors of prompts
remedies        errors about a missing or unfinished store, with what makes it
keys            what makes two stores the same
schema          which arrays a store has, cut into shards and blocks
manifest        what a finished store says of itself
reuse           rows of other stores, found by the keys of rows
writing         a store that grows: plan, records, the one write path
upkeep          list, verify, compare, convert, clean up
atomic          files that are whole or absent
places          folders and object stores; links; one writer at a time
backends        Zarr, HDF5
testing         the contract every backend passes
"""

from cache.export_formats import ExportForm
from cache.store import Store, open_store
from cache.store import open_store as open  # `cache.open(path)`, as gzip.open and h5py.File are called

__all__ = ["ExportForm", "Store", "open", "open_store"]
