"""The encoders that need neither a network nor a file of the user's: stand-ins for CLIP, marked as such."""

from __future__ import annotations

from pathlib import Path

from pipeline.encoders.families.base import Family
from pipeline.encoders.families.files import CurrentIdentity, config_only_identity, open_clip_folder_identity
from pipeline.encoders.families.sources import Published, Sources, folder_sources
from pipeline.encoders.spec import EncoderSpec, Syntax
from pipeline.encoders.weight_names import OPEN_CLIP_WEIGHTS

__all__ = ["MINI", "MINI_FOLDER", "UNTRAINED", "UNTRAINED_CONFIG"]

_HERE = Path(__file__).parents[1]
MINI_FOLDER = _HERE / "mini"  # a folder of open_clip's form, with about.json and a model card
UNTRAINED_CONFIG = _HERE / "untrained.json"


def _mini(spec: EncoderSpec) -> CurrentIdentity:
    return open_clip_folder_identity(MINI_FOLDER, {"family": "open_clip", "architecture": spec.architecture})


def _mini_sources(_spec: EncoderSpec, _published: Published) -> Sources | None:
    return folder_sources(MINI_FOLDER, OPEN_CLIP_WEIGHTS)


def _untrained(spec: EncoderSpec) -> CurrentIdentity:
    return config_only_identity(UNTRAINED_CONFIG, {"family": "open_clip", "architecture": spec.architecture})


_FAMILIES = "pipeline.encoders.families"
MINI = Family("mini", Syntax(("mini",), None), f"{_FAMILIES}.mini_encoder:load_mini", _mini, sources=_mini_sources)
UNTRAINED = Family(
    "untrained", Syntax(("untrained",), None), f"{_FAMILIES}.embedded_encoder:load_untrained", _untrained
)
