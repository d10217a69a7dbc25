"""Layouts that are no part of the package: of a file, `my_layout.py:MyLayout`, or an entry point of a package."""

from __future__ import annotations

from typing import Any

from pipeline.datasets.reading.base import Layout, LayoutOptions
from pipeline.errors import ConfigError
from pipeline.plugins import Plugin, entry_point_names, is_reference, load_entry_point, load_file

__all__ = ["GROUP", "is_own", "own_layout", "own_sha256"]

GROUP = "fer_stage.layouts"


def is_own(name: str) -> bool:
    """Whether `name` is FILE.py:NAME, or the name of an entry point; no code is run."""
    return is_reference(name) or name in entry_point_names(GROUP)


def own_layout(name: str) -> Layout[Any]:
    """The layout of a name, for which `is_own` is true; this runs its code.

    Raises
    ------
    ConfigError
        If its code cannot be run, or is no layout.
    """
    plugin = _loaded(name)
    layout = plugin.value() if isinstance(plugin.value, type) else plugin.value
    options = getattr(layout, "Options", None)
    if not (
        isinstance(options, type) and issubclass(options, LayoutOptions) and callable(getattr(layout, "scan", None))
    ):
        raise ConfigError(
            f"{name}: expected a layout, with `Options`, a class of LayoutOptions, and `scan(root, options)`, "
            f"found {plugin.value!r:.100}"
        )
    if not all(isinstance(getattr(layout, text, None), str) for text in ("name", "summary")):
        raise ConfigError(f"{name}: expected texts as `name` and `summary`, of what the layout reads")
    checked: Layout[Any] = layout
    return checked


def own_sha256(name: str) -> str:
    """The sha256 of the file that holds the layout."""
    return _loaded(name).origin.sha256


def _loaded(name: str) -> Plugin:
    plugin = load_file(name) if is_reference(name) else load_entry_point(GROUP, name)
    if plugin is None:
        raise ConfigError(f"unknown layout {name!r}")
    return plugin
