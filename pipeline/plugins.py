"""Code of one's own: an object of a Python file that is written as `FILE.py:NAME`, or an entry point of a package.

A file is read once: the bytes that run are those that `Origin.sha256` names. What else it imports is not part of that.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import ConfigError
from pipeline.regular_files import read_regular

__all__ = [
    "Origin",
    "Plugin",
    "entry_point_names",
    "is_file_module",
    "is_reference",
    "load_entry_point",
    "load_file",
    "plugin_line",
    "source_file",
    "source_sha256",
]

_REFERENCE = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)", re.DOTALL)
_PREFIX = "fer_stage_file_"  # of the names of modules that are files of a user
_MAX_BYTES = 2**22  # of a file of source


@dataclass(frozen=True)
class Origin:
    """Where an object comes from.

    Parameters
    ----------
    code : as it was named, `my_head.py:MyHead`, or `MODULE:NAME` of an entry point
    sha256 : of the file
    """

    code: str
    sha256: str


@dataclass(frozen=True)
class Plugin:
    """An object of one's own, the module that holds it, and where it comes from."""

    value: Any
    module: ModuleType
    origin: Origin


_MODULES: dict[Path, tuple[str, ModuleType]] = {}  # file -> sha256 of what was run, and the module


def is_reference(text: str) -> bool:
    """Whether a name has the form `FILE.py:NAME`."""
    return _REFERENCE.fullmatch(text) is not None


def is_file_module(name: str) -> bool:
    """Whether a module of this name is a file of a user."""
    return name.startswith(_PREFIX)


def load_file(reference: str, before_run: Callable[[], None] = lambda: None) -> Plugin:
    """The object that `FILE.py:NAME` names; the file is run once, and again where it has changed since.

    Parameters
    ----------
    reference : a path from the current folder, a colon and a name at the top level of the file
    before_run : called before the file is run

    Raises
    ------
    ConfigError
        If there is no such file or name, or the file raises an error: it names the line.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ConfigError(f"{reference!r:.200}: expected FILE.py:NAME, such as my_code.py:MyClass")
    path = Path(match["path"]).expanduser()
    data = _source(path, reference)
    sha256 = hashlib.sha256(data).hexdigest()
    module = _module(path, data, sha256, before_run)
    if match["name"] not in vars(module):
        names = ", ".join(name for name in vars(module) if not name.startswith("_")) or "none"
        raise ConfigError(f"{reference}: expected {match['name']} at the top level of {path}, found {names}")
    return Plugin(vars(module)[match["name"]], module, Origin(reference, sha256))


def source_file(group: str, name: str) -> Path | None:
    """The file that holds FILE.py:NAME, or an entry point of a group; None if `name` is neither. It is not run."""
    if match := _REFERENCE.fullmatch(name):
        return Path(match["path"]).expanduser()
    for entry in entry_points(group=group, name=name):
        spec = find_spec(entry.module)
        return Path(spec.origin) if spec and spec.origin else None
    return None


def source_sha256(group: str, name: str) -> str | None:
    """The sha256 of that file, which is not run; None if `name` is neither.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    path = source_file(group, name)
    return hashlib.sha256(_source(path, name)).hexdigest() if path else None


def _source(path: Path, name: str) -> bytes:
    try:
        return read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}. Name a Python file") from error


def _module(path: Path, data: bytes, sha256: str, before_run: Callable[[], None]) -> ModuleType:
    file = path.resolve()
    known, module = _MODULES.get(file, ("", None))
    if module is not None and known == sha256:
        return module
    name = f"{_PREFIX}{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    before_run()
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    try:
        exec(compile(data, str(file), "exec"), vars(module))
    except Exception as error:
        _MODULES.pop(file, None)
        raise ConfigError(f"{_line(error, str(file), path)}: {type(error).__name__}: {error}") from error
    _MODULES[file] = (sha256, module)
    return module


def _line(error: BaseException, file: str, named: Path) -> str:
    """`my_head.py:12`: the last line of the file that the error passed."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{named}:{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{named}:{lines[-1]}" if lines else str(named)


def plugin_line(error: BaseException) -> str:
    """`FILE.py:LINE` of a user's file that an error passed on its way; empty if it passed none."""
    for file in map(str, _MODULES):
        place = _line(error, file, Path(file))
        if place != file:
            return place
    return ""


def entry_point_names(group: str) -> tuple[str, ...]:
    """The names that installed packages have in a group, such as `fer_stage.methods`; none of them is imported."""
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def load_entry_point(group: str, name: str) -> Plugin | None:
    """The object that an installed package has under a name of a group; None if there is none.

    Raises
    ------
    ConfigError
        If several packages have it, or it cannot be imported.
    """
    entries: list[EntryPoint] = list(entry_points(group=group, name=name))
    if not entries:
        return None
    if len({entry.value for entry in entries}) > 1:
        packages = ", ".join(sorted(entry.dist.name if entry.dist else "?" for entry in entries))
        raise ConfigError(f"{name}: expected one entry point of the group {group}, found several, of {packages}")
    try:
        value = entries[0].load()
        module = importlib.import_module(entries[0].module)
        sha256 = hashlib.sha256(Path(module.__file__ or "").read_bytes()).hexdigest()
    except Exception as error:
        raise ConfigError(f"{name}: {entries[0].value} cannot be imported: {type(error).__name__}: {error}") from error
    return Plugin(value, module, Origin(entries[0].value, sha256))
