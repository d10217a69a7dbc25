"""Detect another package with the name of one of ours, and explain how to repair that.

The import names of fer-stage are those of its folders, `cache`, `pipeline` and `stages`; other projects use such names
too. `fer_stage.py`, the program's entry, loads this file by its path, since `stages` itself may be another package:
nothing but the standard library may be imported here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

__all__ = ["PACKAGES", "shadowed", "why_broken"]

PACKAGES = ("cache", "pipeline", "stages")
_OURS = Path(__file__).parents[1]
_PROGRAM = "fer-stage"
_APART = f"give {_PROGRAM} an environment of its own: python -m venv NEW, then NEW/bin/pip install {_PROGRAM}"


def shadowed() -> str | None:
    """The package that shadows one of ours, and what to do; None without one. Imports nothing."""
    for name in PACKAGES:
        location = _location_of(name)
        if location is not None and not _is_ours(location, name):
            return _message(name, location)
    return None


def why_broken(error: ImportError | AttributeError) -> str | None:
    """An explanation of an error that a shadowing module causes; None for any other error.

    That is a package that was installed over ours, or a file such as `yaml.py` in a folder of PYTHONPATH.
    """
    if local := _local_module(error):
        return local
    text = f"{getattr(error, 'name', '')} {error}"
    names = [name for name in PACKAGES if name in text.replace("'", " ").replace(".", " ").split()]
    owners = importlib.metadata.packages_distributions() if names else {}
    for name in names:
        if others := [owner for owner in owners.get(name, ()) if owner.lower().replace("_", "-") != _PROGRAM]:
            return (
                f"the installed package {others[0]} also has a package named `{name}`, and one has overwritten files "
                f"of the other in {_OURS} ({error}). Repair: pip uninstall {others[0]}, then pip install "
                f"--force-reinstall --no-deps {_PROGRAM}; or give {_PROGRAM} an environment of its own"
            )
    return None


def _local_module(error: ImportError | AttributeError) -> str | None:
    """The explanation for a module from PYTHONPATH or the current folder, in the place of an installed one."""
    top = (error.name or "").partition(".")[0]
    module = error.obj if isinstance(error, AttributeError) else sys.modules.get(top)
    file = getattr(module, "__file__", None)
    if not isinstance(module, ModuleType) or not file or "." in module.__name__ or module.__name__ in PACKAGES:
        return None
    location = Path(file).parent if Path(file).stem == "__init__" else Path(file)
    if location.parent.resolve() not in (*_listed(), Path.cwd().resolve()):
        return None
    return (
        f"another module named `{module.__name__}` is in the way: expected the installed one, found {location} "
        f"({error}). {_repair(module.__name__, location)}"
    )


def _listed() -> list[Path]:
    """The folders that PYTHONPATH names."""
    return [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _location_of(name: str) -> Path | None:
    """The folder, or the file, that `import name` takes; None if there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: a module without a spec was put there by hand
        return None
    if spec is None:
        return None
    folders: Sequence[str] = list(spec.submodule_search_locations or ())
    return Path(folders[0]) if folders else Path(spec.origin) if spec.origin else None


def _is_ours(location: Path, name: str) -> bool:
    return location.resolve() == (_OURS / name).resolve()


def _message(name: str, location: Path) -> str:
    return (
        f"another package named `{name}` is in the way: expected {_OURS / name}, which is part of {_PROGRAM}, found "
        f"{location}. {_repair(name, location)}"
    )


def _repair(name: str, location: Path) -> str:
    folder = location.parent
    if folder.resolve() in _listed():
        return (
            f"PYTHONPATH names {folder}, which comes before installed packages. Take it out of PYTHONPATH, or run: "
            f"env -u PYTHONPATH {_PROGRAM} ..."
        )
    if folder.resolve() == Path.cwd().resolve():
        return f"It lies in the current folder: run {_PROGRAM} from another folder, or rename {location}"
    others = [owner for owner in importlib.metadata.packages_distributions().get(name, ()) if owner != _PROGRAM]
    if others:
        return f"It belongs to the installed package {others[0]}: pip uninstall {others[0]}, or {_APART}"
    return f"Rename it, or {_APART}"
