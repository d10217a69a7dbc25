"""torch's C++ libraries are loaded while Python imports other things: a command that needs torch starts sooner."""

from __future__ import annotations

import ctypes
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["preload_torch", "preload_torch_unless"]


def preload_torch() -> threading.Thread | None:
    """Begin to load torch's libraries, for `import torch` to find them loaded. Call it where torch will be imported.

    Most of 0.3 s of an import of 1.1 s is the system's loader, which binds 900 MB of libraries to each other. `import`
    holds Python's lock for it; a function of C that is called from Python does not. What goes wrong here is left for
    the import to report.

    Returns
    -------
    The thread, which the interpreter waits for before it ends; None where nothing is loaded: torch is imported already
    or is not installed, or the system is not Linux.
    """
    package = None if "torch" in sys.modules or not sys.platform.startswith("linux") else find_spec("torch")
    if package is None or package.origin is None:
        return None
    libraries = Path(package.origin).parent / "lib"
    thread = threading.Thread(target=_load, args=(libraries / "libtorch.so",), name="preload-torch")
    thread.start()
    return thread


def preload_torch_unless(*outputs: Any) -> None:
    """As `preload_torch`, where a command very likely has something to do: none of its outputs exists.

    If it has not, or if it fails, it ends up to 0.3 s later: Python waits for its threads.

    Parameters
    ----------
    outputs : local paths, or addresses in a bucket, of which nothing is known without a request
    """
    if all(isinstance(path, Path) and not path.exists() for path in outputs):
        preload_torch()


def _load(library: Path) -> None:
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    dlopen(str(library).encode(), sys.getdlopenflags())  # as Python's import does
