"""Names of devices are resolved without torch where no driver is installed, and by torch where one is."""

from __future__ import annotations

import _ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.encoders.devices import _may_have_cuda

RESOLVE = """
import json, sys
from pipeline.encoders.devices import device_name
print(json.dumps([device_name(sys.argv[1]), "torch" in sys.modules]))
"""
no_driver = pytest.mark.skipif(_may_have_cuda(), reason="here a driver of a GPU is installed")


def resolved(name: str, **environment: str) -> list[object]:
    """The device, and whether torch was imported for it."""
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, name],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    resolved: list[object] = json.loads(done.stdout)
    return resolved


@no_driver
@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_driver_no_torch_is_imported(name: str) -> None:
    assert resolved(name) == ["cpu", False]


@no_driver
@pytest.mark.skipif(sys.platform != "linux", reason="the driver's name is that of Linux")
def test_with_a_driver_torch_is_asked(tmp_path: Path) -> None:
    """Some library under the driver's name: torch finds that it is none."""
    shutil.copy(_ctypes.__file__, tmp_path / "libcuda.so.1")
    assert resolved("auto", LD_LIBRARY_PATH=str(tmp_path)) == ["cpu", True]
    assert resolved("cpu", LD_LIBRARY_PATH=str(tmp_path)) == ["cpu", False]
