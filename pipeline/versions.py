"""Versions of the code that computes numbers: raised by hand, in versions.json, when a change of it changes a result.

They enter the keys of runs, and dvc.yaml depends on them, so that results of other code are created again.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from pipeline.errors import ConfigError

__all__ = ["method_version", "program_version", "stage_version"]


def method_version(method: str) -> int:
    """The version of a method: heads of another one are other heads, with equal options and rows.

    Raises
    ------
    ConfigError
        If versions.json has no entry of that name.
    """
    return _entry(_versions()["methods"], method)


def stage_version(stage: str) -> int:
    """The version of a stage: `sample`, `index`, `align`, `extract`, `text` or `evaluate`.

    Raises
    ------
    ConfigError
        If versions.json has no entry of that name.
    """
    return _entry(_versions(), stage)


def program_version() -> str:
    """The version of fer-stage that versions.json states; a test compares it with that of the package."""
    return str(_versions()["fer-stage"])


def _entry(versions: dict[str, Any], name: str) -> int:
    if not isinstance(version := versions.get(name), int):
        raise ConfigError(f"pipeline/versions.json: expected a whole number for {name!r}, found {version!r}. Add it")
    return version


@cache
def _versions() -> dict[str, Any]:
    versions: dict[str, Any] = json.loads(files("pipeline").joinpath("versions.json").read_text("utf-8"))
    return versions
