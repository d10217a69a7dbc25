"""What a figure was measured on, printed beside every one."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from typing import Any


def show(result: dict[str, Any]) -> None:
    """Print a result with the machine and the versions that made it."""
    libraries = {name: version(name) for name in ("fer-stage", "torch", "numpy", "zarr", "h5py")}
    machine = {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    print(json.dumps(result | {"machine": machine, "versions": libraries}, indent=2))
