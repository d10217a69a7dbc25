"""What every backend promises, as small named tests. A backend is done when its class passes.

class ZarrBytes(BackendUnderTest):            # how to look past our own reader
    suffix = ".zarr"
    growing_name = "store.zarr"
    def extents(self, path): ...
    def overwrite_column(self, path, name, values): ...
    def overwrite_manifest(self, path, text): ...
    def make_foreign(self, path): ...

class TestZarrStore(ZarrBytes, FolderStoreContract): ...

class TestZarrInMemory(ZarrBytes, ObjectStoreContract):
    blobs = MemoryBlobs()
    @pytest.fixture(scope="class")
    @classmethod
    def class_root(cls): return as_path("memory://class_root")
"""

from __future__ import annotations

from cache.testing.damage import DamageContract
from cache.testing.disks import DiskContract
from cache.testing.folders import FolderContract
from cache.testing.growing import GrowingContract
from cache.testing.interruptions import InterruptedOnDisk
from cache.testing.leases import LeaseContract
from cache.testing.objects import ObjectContract
from cache.testing.processes import ProcessContract
from cache.testing.reading import ReadingContract

__all__ = ["FolderStoreContract", "ObjectStoreContract", "StoreContract"]


class StoreContract(ReadingContract, GrowingContract, DamageContract):
    """What holds anywhere."""


class FolderStoreContract(StoreContract, FolderContract, ProcessContract, DiskContract, InterruptedOnDisk):
    """What holds in a folder of this machine."""


class ObjectStoreContract(StoreContract, ObjectContract, LeaseContract):
    """What holds where nothing can be renamed."""
