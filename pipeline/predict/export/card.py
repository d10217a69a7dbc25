"""The model card of an exported head, as Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from pipeline.encoders import EncoderSpec
from pipeline.footnotes import LEGEND, footnoted
from pipeline.learning.clips import MEANS
from pipeline.learning.metrics import METRICS
from pipeline.methods import config_class
from pipeline.plugins import is_reference
from pipeline.records import Export, OwnExport

__all__ = ["model_card"]


def model_card(record: Export) -> str:
    """README.md of an exported head: description, scores, calibration, intended use."""
    plain, features = record.as_json(), record.head.encoder
    code = record.method_code if isinstance(record, OwnExport) else None
    values = {
        **plain,
        "onnx": plain.get("onnx"),
        "method_code": code,
        "method_file": code.code if code and is_reference(code.code) else "",
        "no_train_rows": record.classes_without_train_rows,
        "note": record.note,
        "is_trained": config_class(record.method).is_trained,
        "identity": features.encoder,
        "preprocess": features.preprocess,
        "precision": features.precision,
        "by_path": record.uses_encoder and EncoderSpec.parse(record.encoder_spec).path is not None,
        "unit": record.unit,
        "row": "frame" if record.unit == "clip" else "image",
        "clip_frames": record.head.clip_frames,
        "means": " and ".join(f"`{name}`" for name in record.head.inputs if name in MEANS),
        "units": _units(record),
        "scores": [score.as_json() | score.by_metric() | {"unit": score.unit} for score in record.scores],
        "metrics": METRICS,
        "footnoted": footnoted,
        "legend": LEGEND,
    }
    return _environment().get_template("card.md.j2").render(values)


def _units(record: Export) -> str:
    """What the scores count: `images`, `clips`, or both."""
    units = {score.unit for score in record.scores} or {record.unit}
    return " and ".join(f"{unit}s" for unit in ("image", "clip") if unit in units)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.predict.export"),
        autoescape=False,  # the output is Markdown
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
    """Replace line breaks and control characters: names and notes of a run may come from elsewhere."""
    return "".join(sign if sign.isprintable() else " " for sign in value) if isinstance(value, str) else value


def _cell(value: object) -> str:
    """A value in a cell of a Markdown table, where a bar would end the cell."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return " ".join(map(_cell, value)) or "-"
    return str(value).replace("|", "\\|") or "-"


def _overlap(score: Mapping[str, Any]) -> str:
    """How many of the scored units are train or val ones by their bytes, and how many are left out; empty if 0."""
    counts = {split: n for split, n in (score["overlap"] or {}).items() if n}
    parts = [f"{n:,} are {split} {score['unit']}s" for split, n in counts.items()]
    parts += [f"{n:,} show the picture of one ({kind})" for kind, n in (score.get("near_overlap") or {}).items() if n]
    if score["excluded_overlap"]:
        parts.append(f"{score['excluded_overlap']:,} train and val {score['unit']}s left out")
    return f" ({', '.join(parts)})" if parts else ""


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"
