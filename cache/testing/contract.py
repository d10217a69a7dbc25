"""StoreContract: what every backend promises, as small named tests.

    class TestZarrStore(StoreContract):
        suffix = ".zarr"
        def extents(self, path): ...
        def overwrite_column(self, path, name, values): ...
        def overwrite_manifest(self, path, text): ...
        def make_foreign(self, path): ...

A backend is done when its class passes.
"""

from __future__ import annotations

from cache.testing.damage import DamageContract
from cache.testing.disks import DiskContract
from cache.testing.growing import GrowingContract
from cache.testing.processes import ProcessContract
from cache.testing.reading import ReadingContract

__all__ = ["StoreContract"]


class StoreContract(ReadingContract, GrowingContract, DamageContract, ProcessContract, DiskContract):
    """All promises. A subclass gives the ending of a store's name and access to its bytes past our reader."""
