"""The methods: one recipe per module, found by name. Importing this package imports no torch.

configs         every method's options, as strict models
protocol        what a method is given and what it gives back
feature_mask, kefer, linear_probe
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.methods.configs import FeatureMaskConfig, KeferConfig, LinearProbeConfig, MethodConfig

if TYPE_CHECKING:
    from pipeline.methods.protocol import Method

__all__ = ["METHODS", "config_class", "load_method", "method_names"]

# Name -> the module whose METHOD it is. Strings, so that a list of names costs no import of torch.
METHODS: dict[str, str] = {
    "feature-mask": "pipeline.methods.feature_mask",
    "kefer": "pipeline.methods.kefer",
    "linear-probe": "pipeline.methods.linear_probe",
}
_CONFIGS: dict[str, type[MethodConfig]] = {
    config.method: config for config in (FeatureMaskConfig, KeferConfig, LinearProbeConfig)
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
    return _CONFIGS[_known(name)]


def load_method(name: str) -> Method[Any]:
    """The method itself; this imports torch.

    Raises
    ------
    ConfigError
        If there is no such method; the message suggests the nearest one.
    """
    method: Method[Any] = import_module(METHODS[_known(name)]).METHOD
    return method


def _known(name: str) -> str:
    if name in METHODS:
        return name
    near = difflib.get_close_matches(name, METHODS, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"Known methods: {', '.join(method_names())}"
    raise ConfigError(f"unknown method {name!r}. {advice}")
