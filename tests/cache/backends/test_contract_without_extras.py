"""The shipped contract serves whoever writes a backend: for local disks it needs pytest and no extra."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCKED = """
import sys
for name in ("moto", "s3fs", "botocore", "aiobotocore", "boto3", "hypothesis"):
    sys.modules[name] = None
"""
BACKEND = """
import h5py
from cache.backends import BACKENDS
from cache.backends.hdf5_store import Hdf5Backend
from cache.testing.contract import StoreContract
from cache.testing.raw import Extent

class MyBackend(Hdf5Backend):
    suffix = ".mine"

BACKENDS["hdf5"] = MyBackend()

class TestMyBackend(StoreContract):
    suffix = ".mine"
    growing_name = "store.mine"
    n_flips = 2

    def extents(self, path):
        with h5py.File(path, "r") as file:
            ids = [file[name].id for name in ("pooled", "tokens", "pixels")]
            return [Extent(self.blobs, str(path), i.get_offset(), i.get_offset() + i.get_storage_size()) for i in ids]

    def overwrite_column(self, path, name, values):
        with h5py.File(path, "r+") as file:
            file[f"columns/{name}"][:] = values

    def overwrite_manifest(self, path, text):
        with h5py.File(path, "r+") as file:
            file["fer_stage"][()] = text

    def make_foreign(self, path):
        path.parent.mkdir(parents=True)
        with h5py.File(path, "w") as file:
            file["pooled"] = [0.0]
"""


def test_a_backend_of_ones_own_passes_the_contract_where_no_extra_is_installed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(BLOCKED)
    (tmp_path / "test_mine.py").write_text(BACKEND)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow: every moment of a write\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "-m", "not slow"]
    # The folder that pytest takes otherwise is shared by all runs of a user: the last one removes what others left.
    command.append(f"--basetemp={tmp_path / 'temporary'}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed, done.stdout
    assert int(passed[1]) > 30
