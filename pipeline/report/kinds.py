"""What kind of method a group of runs is of, and where it stands among the others."""

from __future__ import annotations

from enum import IntEnum

from pipeline.methods import METHODS, config_class

__all__ = ["NO_TRAINING", "Kind", "base_method", "kind_of", "order_of", "settings_order"]

# Stands where the train dataset would: no dataset can be called so, as names of datasets are plain.
NO_TRAINING = "no training"


class Kind(IntEnum):
    """In the order in which a page shows them."""

    IMAGE = 0  # an image network on pixels alone: no encoder has a part in its numbers
    HEAD = 1  # anything trained on what an encoder gives
    UNTRAINED = 2  # an encoder's images against its sentences: every dataset is unseen


def base_method(method: str) -> str:
    """`cafe` of `cafe beta_div=5.0`."""
    return method.partition(" ")[0]


def kind_of(method: str) -> Kind:
    """The kind of a method, with or without a variant; one that is not ours counts as a head."""
    name = base_method(method)
    if name not in METHODS:
        return Kind.HEAD
    config = config_class(name)()
    if not config.is_trained:
        return Kind.UNTRAINED
    return Kind.HEAD if config.uses_encoder else Kind.IMAGE


def order_of(method: str) -> tuple[object, ...]:
    """What methods are sorted by: kind, name, then the values of their variants, numbers as numbers."""
    name, _, variant = method.partition(" ")
    return (kind_of(method), name, settings_order(variant))


def settings_order(settings: str) -> tuple[object, ...]:
    """What `epochs=2,lr=0.1` is sorted by: names, then values, numbers as numbers."""
    return tuple(_point(part.strip()) for part in settings.split(",") if part)


def _point(part: str) -> tuple[str, bool, float, str]:
    """`beta_div=10` comes after `beta_div=9.5`, and any text after all numbers."""
    name, _, value = part.partition("=")
    try:
        return (name, False, float(value), "")
    except ValueError:
        return (name, True, 0.0, value)
