"""The model card of an exported head, as Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from pipeline.encoders import EncoderSpec
from pipeline.marks import LEGEND, marked
from pipeline.methods import config_class
from pipeline.saved import note_of

__all__ = ["model_card"]

# What an older run may not say.
_USUAL: dict[str, Any] = {
    "variant": "",
    "recipe": "",
    "encoder_saw": (),
    "dropped": {},
    "findings": {},
    "calibration": None,
    "views": 1,
    "dtype": None,
    "onnx": None,
}
_USUAL_CALIBRATION: dict[str, Any] = {"held_back": None}
_USUAL_SCORE: dict[str, Any] = {"encoder_saw": False, "overlap": None, "excluded_overlap": 0, "ece_expected": None}


def model_card(record: Mapping[str, Any]) -> str:
    """README.md of the head that `record`, of head.json, describes: what it is, its scores, what it is not for."""
    spec, features = record["encoder_spec"], record["head"]["encoder"]
    said = {
        **_USUAL,
        **record,
        "scores": [_USUAL_SCORE | score for score in record["scores"]],
        "calibration": _USUAL_CALIBRATION | calibration if (calibration := record.get("calibration")) else None,
        "note": note_of(record),
        "is_trained": config_class(record["method"]).is_trained,
        "identity": features["encoder"],
        "preprocess": features["preprocess"],
        "precision": features["precision"],
        "by_path": record["uses_encoder"] and bool(spec) and EncoderSpec.parse(spec).path is not None,
        "marked": marked,
        "legend": LEGEND,
    }
    return _environment().get_template("card.md.j2").render(said)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.export"),
        autoescape=False,  # it is no HTML
        finalize=_on_one_line,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        quoted=shlex.quote, cell=_cell, percent=_percent, thousands="{:,}".format, overlap=_overlap
    )
    return environment


def _on_one_line(value: object) -> object:
    """A text without line breaks and control characters: names and notes of a run may come from elsewhere."""
    return "".join(sign if sign.isprintable() else " " for sign in value) if isinstance(value, str) else value


def _cell(value: object) -> str:
    """A value in a table, where a bar would end its cell."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return " ".join(map(_cell, value)) or "-"
    return str(value).replace("|", "\\|") or "-"


def _overlap(score: Mapping[str, Any]) -> str:
    """How many of the scored images are train or val images by their bytes, and how many were left out; else empty."""
    counts = {split: n for split, n in (score["overlap"] or {}).items() if n}
    parts = [f"{n:,} are {split} images" for split, n in counts.items()]
    if score["excluded_overlap"]:
        parts.append(f"{score['excluded_overlap']:,} train and val images left out")
    return f" ({', '.join(parts)})" if parts else ""


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"
