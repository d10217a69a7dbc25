"""The encoders that need neither a network nor a file of the user's: stand-ins for CLIP, and they say so."""

from __future__ import annotations

from pathlib import Path

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import CurrentIdentity, of_config, of_open_clip_folder
from pipeline.encoders.spec import EncoderSpec, Syntax

__all__ = ["CARRIED", "MINI", "UNTRAINED", "UNTRAINED_CONFIG"]

_HERE = Path(__file__).parents[1]
CARRIED = _HERE / "mini"  # a folder of open_clip's form, with about.json and a model card
UNTRAINED_CONFIG = _HERE / "untrained.json"


def _mini(spec: EncoderSpec) -> CurrentIdentity:
    return of_open_clip_folder(CARRIED, {"family": "open_clip", "architecture": spec.architecture})


def _untrained(spec: EncoderSpec) -> CurrentIdentity:
    return of_config(UNTRAINED_CONFIG, {"family": "open_clip", "architecture": spec.architecture})


_LOADERS = "pipeline.encoders.families.embedded_encoder"
MINI = Family("mini", Syntax(("mini",), None), f"{_LOADERS}:load_mini", _mini)
UNTRAINED = Family("untrained", Syntax(("untrained",), None), f"{_LOADERS}:load_untrained", _untrained)
