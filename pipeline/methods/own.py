"""Methods that are no part of the package: of a file, `my_head.py:MyHead`, or of an installed package's entry point.

A file is run when its method is trained or one of its heads is built, and not before. Importing this brings no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.plugins import (
    Origin,
    Plugin,
    entry_point_names,
    is_file_module,
    is_reference,
    load_entry_point,
    load_file,
    source_sha256,
)

if TYPE_CHECKING:
    from pipeline.learning.method import Method

__all__ = [
    "GROUP",
    "OwnMethod",
    "declare_methods",
    "is_own",
    "load_own_heads",
    "own_method",
    "own_names",
    "plain_name",
    "use_named_code",
]

GROUP = "fer_stage.methods"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_FILES: dict[str, str] = {}  # name of a method -> FILE.py:NAME, as params.yaml or a command names it


@dataclass(frozen=True)
class OwnMethod:
    """A method of one's own, and where its code is."""

    method: Method[Any]
    origin: Origin


def declare_methods(files: Mapping[str, str]) -> None:
    """State which methods are files, by name -> FILE.py:NAME, instead of those stated before; none is run."""
    _FILES.clear()
    _FILES.update(files)


def plain_name(text: str) -> str:
    """The name of a method that is written as FILE.py:NAME, which runs the file; any other text as it is.

    Raises
    ------
    ConfigError
        If the file has no such method.
    """
    if not is_reference(text):
        return text
    name = _checked(_loaded(text)).method.name
    _FILES[name] = text
    return name


def use_named_code(name: str, code: Origin) -> None:
    """Let a method that is not known have its code from a file that was named for another name, if it is the same code.

    A head of `{mine: {code: my_head.py:MyHead}}` is used where that file is named without `mine`. Only files that were
    named are looked at; the same code is the same NAME in a file of the same sha256.

    Parameters
    ----------
    code : of the method, as the record of a head has it
    """
    from pipeline.methods import METHODS  # late: it imports this module

    if name in METHODS or is_own(name):
        return
    end = f":{code.code.rpartition(':')[2]}"
    for reference in [reference for reference in _FILES.values() if reference.endswith(end)]:
        if source_sha256(GROUP, reference) == code.sha256:
            _FILES[name] = reference
            return


def own_names() -> tuple[str, ...]:
    """The methods of one's own that are known by name."""
    return (*_FILES, *entry_point_names(GROUP))


def is_own(name: str) -> bool:
    """Whether a method of this name is known that is no part of the package."""
    return name in _FILES or name in entry_point_names(GROUP)


def own_method(name: str) -> OwnMethod:
    """The method of a name, for which `is_own` is true; this runs its code.

    Raises
    ------
    ConfigError
        If its code cannot be run, or is no method.
    """
    plugin = _loaded(_FILES[name]) if name in _FILES else load_entry_point(GROUP, name)
    if plugin is None:
        raise ConfigError(f"unknown method {name!r}")
    return _renamed(_checked(plugin), name)


def load_own_heads() -> None:
    """Load all that are files, so that the kinds of their heads are known."""
    for name in list(_FILES):
        own_method(name)


def _loaded(reference: str) -> Plugin:
    from pipeline.learning.head import HEADS, Head  # late: it brings torch
    from pipeline.methods import family_names  # late: it imports this module

    for family in family_names():  # a kind that is taken is refused in the line that names it
        import_module(f"pipeline.methods.{family}.heads")
    plugin = load_file(reference, _forget_heads)
    of_module = (value for value in vars(plugin.module).values() if isinstance(value, type) and issubclass(value, Head))
    HEADS.update({head.kind: head for head in of_module if head.kind and head.__module__ == plugin.module.__name__})
    return plugin


def _forget_heads() -> None:
    """The kinds of files that were run before: one may be an earlier version, or a copy, of that which is run next."""
    from pipeline.learning.head import HEADS  # late: it brings torch

    for kind in [kind for kind, head in HEADS.items() if is_file_module(head.__module__)]:
        del HEADS[kind]


_METHODS: dict[tuple[str, str, str], OwnMethod] = {}  # by code, sha256 and name: one class of options for each


def _checked(plugin: Plugin) -> OwnMethod:
    from pipeline.learning.method import Method  # late: they bring torch
    from pipeline.learning.trainable_head import TrainableHead, method_of
    from pipeline.methods import METHODS

    key = (plugin.origin.code, plugin.origin.sha256, "")
    if key in _METHODS:
        return _METHODS[key]
    value, code = plugin.value, plugin.origin.code
    if isinstance(value, type) and issubclass(value, TrainableHead):
        value = method_of(value)
    if not isinstance(value, Method):
        raise ConfigError(f"{code}: expected a Method or a subclass of TrainableHead, found {plugin.value!r:.100}")
    if value.name in METHODS or not _NAME.fullmatch(value.name):
        raise ConfigError(
            f"{code}: expected a name of a-z, A-Z, 0-9, `_` and `-` that no method of fer-stage has, "
            f"found {value.name!r}"
        )
    return _METHODS.setdefault(key, OwnMethod(value, plugin.origin))


def _renamed(own: OwnMethod, name: str) -> OwnMethod:
    """The method under the name that params.yaml, or an entry point, has for it."""
    if own.method.name == name:
        return own
    key = (own.origin.code, own.origin.sha256, name)
    if key not in _METHODS:
        options = own.method.config_class
        metaclass: Any = type(options)
        members = {"method": name, "__module__": options.__module__}
        config_class = metaclass(options.__name__, (options,), members)
        _METHODS[key] = OwnMethod(replace(own.method, config_class=config_class), own.origin)
    return _METHODS[key]
