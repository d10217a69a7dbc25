"""The methods: found by name. Importing this package imports no torch.

A method is two modules of one name and a line in METHODS: its options in configs/, what it trains here.

configs         every method's options, as strict models
protocol        what a method is given and what it gives back
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.methods.configs.base import MethodConfig

if TYPE_CHECKING:
    from pipeline.methods.protocol import Method

__all__ = ["METHODS", "config_class", "load_method", "method_names"]

# Name -> the module whose METHOD it is; the module of the same name in configs/ has its CONFIG. Strings, so that a list
# of names costs no import of torch.
METHODS: dict[str, str] = {
    "baseline": "baseline",
    "cafe": "cafe",
    "cliper": "cliper",
    "cocoop": "cocoop",
    "coop": "coop",
    "eac": "eac",
    "feature-mask": "feature_mask",
    "fine-tune": "fine_tune",
    "kefer": "kefer",
    "linear-probe": "linear_probe",
    "metd": "metd",
    "rul": "rul",
    "scn": "scn",
    "token-mask": "token_mask",
    "zero-shot": "zero_shot",
}


def method_names() -> tuple[str, ...]:
    """Every method, in alphabetical order."""
    return tuple(sorted(METHODS))


def config_class(name: str) -> type[MethodConfig]:
    """The options of a method.

    Raises
    ------
    ConfigError
        If there is no such method; the message suggests the nearest one.
    """
    config: type[MethodConfig] = import_module(f"pipeline.methods.configs.{_module(name)}").CONFIG
    return config


def load_method(name: str) -> Method[Any]:
    """The method itself; this imports torch.

    Raises
    ------
    ConfigError
        If there is no such method; the message suggests the nearest one.
    """
    method: Method[Any] = import_module(f"pipeline.methods.{_module(name)}").METHOD
    return method


def _module(name: str) -> str:
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"Known methods: {', '.join(method_names())}"
    raise ConfigError(f"unknown method {name!r}. {advice}")
