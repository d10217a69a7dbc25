"""The methods, found by name, one folder per family. Importing this package imports no torch.

image       baseline, fine-tune: image networks trained on pixels; what the other families share of them
mask        cafe, feature-mask, token-mask: a mask on the frozen feature
noisy       scn, rul, eac: labels some of which are wrong
probe       linear-probe: logistic regression on the frozen feature
prompts     coop, cocoop, metd, cliper: learned prompts of a frozen text tower
temporal    temporal-attention, temporal-transformer: the frames of a clip in order of time
text        zero-shot, kefer: similarity to the text of each class
packing     a head of any of them as bytes, and back
own         methods that are no part of the package: a Python file, or an entry point

In a family, `options` are pydantic models and import no torch, `losses` are functions of tensors, `heads` are what is
saved, `train` makes heads of options, and `recipes` holds the settings of papers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeGuard

from pipeline.errors import ConfigError
from pipeline.learning.options import MethodConfig
from pipeline.methods.own import is_own, own_method, own_names
from pipeline.suggestions import did_you_mean

if TYPE_CHECKING:
    from pipeline.learning.method import Method

__all__ = ["METHODS", "config_class", "family_names", "is_method", "load_method", "method_names"]

# Name -> the module below pipeline.methods that trains it; its options are in `options` of the same folder. Strings, so
# that a list of names costs no import of torch. Families that are imported fastest come first.
METHODS: dict[str, str] = {
    "linear-probe": "probe.train",
    "cafe": "mask.train",
    "feature-mask": "mask.train",
    "token-mask": "mask.train",
    "kefer": "text.train",
    "zero-shot": "text.train",
    "baseline": "image.train",
    "fine-tune": "image.train",
    "eac": "noisy.train",
    "rul": "noisy.train",
    "scn": "noisy.train",
    "temporal-attention": "temporal.train",
    "temporal-transformer": "temporal.train",
    "cliper": "prompts.descriptors",
    "cocoop": "prompts.context",
    "coop": "prompts.context",
    "metd": "prompts.descriptors",
}


def method_names() -> tuple[str, ...]:
    """Every method, in alphabetical order, those of one's own among them."""
    return tuple(sorted({*METHODS, *own_names()}))


def is_method(name: str) -> bool:
    """Whether a method has this name; nothing is loaded."""
    return name in METHODS or is_own(name)


def family_names() -> tuple[str, ...]:
    """The folders of the methods, those that are imported fastest first."""
    return tuple(dict.fromkeys(map(_family, METHODS)))


def config_class(name: str) -> type[MethodConfig]:
    """The options of a method.

    Raises
    ------
    ConfigError
        If there is no such method; the message suggests the nearest one.
    """
    _require_known(name)
    if name not in METHODS:
        return own_method(name).method.config_class
    options = vars(import_module(f"pipeline.methods.{_family(name)}.options")).values()
    return next(value for value in options if _is_config_of(value, name))


def load_method(name: str) -> Method[Any]:
    """The method itself; this imports torch.

    Raises
    ------
    ConfigError
        If there is no such method; the message suggests the nearest one.
    """
    _require_known(name)
    if name not in METHODS:
        return own_method(name).method
    values = vars(import_module(f"pipeline.methods.{METHODS[name]}")).values()
    method: Method[Any] = next(value for value in values if _is_config_of(getattr(value, "config_class", None), name))
    return method


def _is_config_of(value: Any, name: str) -> TypeGuard[type[MethodConfig]]:
    return isinstance(value, type) and issubclass(value, MethodConfig) and value.__dict__.get("method") == name


def _family(name: str) -> str:
    return METHODS[name].partition(".")[0]


def _require_known(name: str) -> None:
    if not is_method(name):
        raise ConfigError(f"unknown method {name!r}. {did_you_mean(name, method_names())}")
