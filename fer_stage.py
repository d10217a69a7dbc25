"""The `fer-stage` program: check that no other package shadows ours, then run the command line.

Our packages have plain names, so another one may shadow them, `stages` too. This module has a name of its own.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["main"]

_SHADOWS = Path(__file__).parent / "stages" / "shadows.py"


def main() -> None:
    """Entry point. Exit code 1, with what to do, where another package is in the way."""
    if problem := _shadows().shadowed():
        sys.exit(f"error: {problem}")
    from stages.cli import main as run  # late: not before it is known whose it is

    run()


def _shadows() -> ModuleType:
    """stages/shadows.py, taken by its place and not by its name."""
    spec = importlib.util.spec_from_file_location("fer_stage_shadows", _SHADOWS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
