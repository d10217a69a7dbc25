"""What is known of a family of encoders before a model is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from pipeline.encoders.families.files import CurrentIdentity
from pipeline.encoders.families.sources import Published, Sources
from pipeline.encoders.spec import EncoderSpec, Syntax

__all__ = ["Family"]


def _no_sources(_spec: EncoderSpec, _published: Published) -> None:
    return None


@dataclass(frozen=True)
class Family:
    """One family: how its encoders are written, what loads one, and what is known of one from files.

    Parameters
    ----------
    name : the part of an encoder's name before the colon
    syntax : how its encoders are written
    loader : `module:function` of (spec, device, on_progress) -> Encoder, an `ImageEncoder`, a `TextEncoder` or both;
        imported to load, as it brings torch
    current : what is known of an encoder from files; nothing is downloaded and no model is built
    package, extra : a library that is not always installed, and the extra that brings it; else empty
    has_text : whether an encoder has a text tower; by default that of all, from the syntax
    sources : the files that an encoder is made of, if they and the libraries define it, else None, as for code of the
        user's own; with where its weights are on the hub, if that is known already
    """

    name: str
    syntax: Syntax
    loader: str
    current: Callable[[EncoderSpec], CurrentIdentity]
    package: str = ""
    extra: str = ""
    has_text: Callable[[EncoderSpec], bool] = attrgetter("has_text")
    sources: Callable[[EncoderSpec, Published], Sources | None] = _no_sources
