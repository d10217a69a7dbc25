"""Families of encoders: `FAMILIES` is the registry. One is a `Family`, in a module without torch, and its loader.

NAME_family     how its encoders are written, and what is known of one from files
NAME_encoder    loads one: brings torch and the family's library
"""

from __future__ import annotations

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.embedded_family import MINI, UNTRAINED
from pipeline.encoders.families.file_family import FILES
from pipeline.encoders.families.files import CurrentIdentity
from pipeline.encoders.families.open_clip_family import OPEN_CLIP
from pipeline.encoders.families.sources import Published, Sources
from pipeline.encoders.families.timm_family import TIMM
from pipeline.encoders.families.transformers_family import TRANSFORMERS
from pipeline.encoders.spec import EncoderSpec, register

__all__ = ["FAMILIES", "CurrentIdentity", "Family", "Published", "Sources", "current_identity", "has_text", "sources"]

FAMILIES = {family.name: family for family in (OPEN_CLIP, TIMM, TRANSFORMERS, FILES, MINI, UNTRAINED)}
for _family in FAMILIES.values():
    register(_family.name, _family.syntax)


def current_identity(spec: EncoderSpec) -> CurrentIdentity:
    """What an encoder's name means on this machine now, as far as it is known from files; nothing is downloaded.

    Raises
    ------
    EncoderError
        If a file is there and cannot be read.
    """
    return FAMILIES[spec.family].current(spec)


def has_text(spec: EncoderSpec) -> bool:
    """Whether an encoder has a text tower; the code of one of one's own is run for it.

    Raises
    ------
    ConfigError
        If that code cannot be run.
    """
    return FAMILIES[spec.family].has_text(spec)


def sources(spec: EncoderSpec, published: Published = ()) -> Sources | None:
    """The files on this machine that an encoder is made of.

    None where they are not here, or where files and libraries alone do not define it: weights that no file has, code
    of the user's own, files that the hub may replace.

    Parameters
    ----------
    published : where its weights are on the hub, as `Sources` had it before; else a library may be imported to know

    Raises
    ------
    EncoderError
        If a file is there and cannot be read.
    """
    return FAMILIES[spec.family].sources(spec, published)
