"""What head.json says: all that a run tells of its head, and nothing of the machine that trained it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.encoders import EncoderSpec
from pipeline.errors import ConfigError, InputError
from pipeline.methods import config_class
from pipeline.saved import EXPORT_FORMAT, SavedHead

__all__ = ["export_record"]

# What the model card states of every head; a record without one of them is no record of `train`.
_REQUIRED = (
    *("method", "dataset", "seed", "config", "encoder", "n_train", "n_val", "val", "versions.fer-stage"),
    *(f"head.encoder.encoder.{name}" for name in ("family", "architecture", "weights")),
    *("head.encoder.preprocess", "head.encoder.precision"),
)
_REQUIRED_OF_CALIBRATION = tuple(f"calibration.{name}" for name in ("n", "bins", "ece_before", "ece_after"))

# Of run.json; names, digests and numbers, under the names that they have there.
_KEPT = (
    "method",
    "variant",
    "recipe",
    "dataset",
    "seed",
    "classes",
    "config",
    "epochs",
    "selected_epoch",
    "run_key",
    "rows",
    "method_version",
    "is_random",
    "views",
    "dtype",
    "n_train",
    "n_val",
    "dropped",
    "val",
    "calibration",
    "findings",
    "key",
    "encoder",
    "encoder_note",
    "encoder_saw",
    "text_note",
    "text_encoder",
    "text_key",
    "versions",
)


def export_record(saved: SavedHead, head_sha256: str, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The record of an exported head, which `pipeline.saved.read_saved` reads.

    Parameters
    ----------
    saved : the head; of an older run what it does not say is left out
    head_sha256 : of its weights
    scores : what is known of it on test splits, as scores.json has them

    Returns
    -------
    Plain JSON. Files are named without their folders: an encoder `timm:ARCH@FILE` must be named again elsewhere.

    Raises
    ------
    InputError
        If the record lacks a field that the model card states, or no method has its name.
    """
    required = _REQUIRED + (_REQUIRED_OF_CALIBRATION if "calibration" in saved.record else ())
    if missing := [name for name in required if not _has(saved.record, name.split("."))]:
        raise InputError(
            f"{saved.record_path}: expected the record of a trained head, found no {', '.join(missing)}. {saved.advice}"
        )
    try:
        config_class(saved.record["method"])
    except ConfigError as error:
        raise InputError(f"{saved.record_path}: method: {error}. {saved.advice}") from error
    kept = {name: saved.record[name] for name in _KEPT if name in saved.record}
    return {
        "format": EXPORT_FORMAT,
        **kept,
        "config": _without_folder(kept.get("config", {}), "pretrained"),
        "encoder_spec": _portable(saved.encoder_spec),
        "uses_encoder": saved.uses_encoder,
        "head": dict(saved.description),
        "head_sha256": head_sha256,
        "scores": [dict(score) for score in scores],
    }


def _has(record: Any, names: Sequence[str]) -> bool:
    """Whether a record has the field that `names` lead to."""
    for name in names:
        if not isinstance(record, Mapping) or name not in record:
            return False
        record = record[name]
    return True


def _portable(spec_text: str) -> str:
    """`timm:resnet18@/home/me/weights.pth` -> `timm:resnet18@weights.pth`."""
    if not spec_text:
        return ""
    spec = EncoderSpec.parse(spec_text)
    return str(replace(spec, path=Path(spec.path.name)) if spec.path else spec)


def _without_folder(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options, of whose file `name` only the name is left."""
    return {**options, **({name: Path(options[name]).name} if options.get(name) else {})}
