"""Complete records of a small linear head, which tests change."""

from __future__ import annotations

from typing import Any

from pipeline.learning.calibration import Calibration
from pipeline.versions import stage_version

__all__ = ["CLASSES", "HEAD", "KEY", "RUN_KEY", "calibration", "export_record", "run_record", "score_record"]

CLASSES = ("surprise", "fear", "disgust")
RUN_KEY, HEAD, KEY = "12" * 32, "34" * 32, "cd" * 32
FEATURES = {
    "encoder": {"family": "open_clip", "architecture": "tiny", "weights": "ab" * 32},
    "preprocess": {"decoder": "pillow", "size": 16},
    "precision": "float32",
}


def calibration(temperature: float = 1.0) -> dict[str, Any]:
    """The effect of a temperature on four rows."""
    kept = temperature != 1
    fitted = Calibration(temperature, temperature, kept, None, 0.1, 0.1, 0.1, 4, 0)
    return fitted.as_json() | {"split": "val"}


def head_record(classes: tuple[str, ...], features: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": 2,
        "kind": "linear",
        "classes": list(classes),
        "inputs": {"pooled": [16]},
        "encoder": features,
        "dataset": "a",
        "scale": "raw",
        "options": {},
    }


def run_record(head: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """run.json of a head; classes, width and encoder are those of its description."""
    head = head or head_record(tuple(changes.get("classes", CLASSES)), changes.get("encoder_identity", FEATURES))
    return {
        "method": "linear-probe",
        "variant": "",
        "recipe": "",
        "encoder": "mini",
        "encoder_named": "mini",
        "encoder_spec": "mini",
        "encoder_note": "",
        "encoder_saw": [],
        "text_note": "",
        "encoder_identity": head["encoder"],
        "dataset": "a",
        "seed": 0,
        "classes": list(head["classes"]),
        "config": {"lr": 0.001, "scale": "raw"},
        "key": KEY,
        "run_key": RUN_KEY,
        "rows": "ef" * 32,
        "method_version": 1,
        "is_random": True,
        "views": 1,
        "dtype": "float16",
        "text_key": "",
        "text_encoder": {},
        "width": head["inputs"].get("pooled", [16])[-1],
        "epochs": 3,
        "selected_epoch": 2,
        "seconds": 1.5,
        "together": 1,
        "device": "cpu",
        "n_train": 100,
        "n_val": 30,
        "val": {"accuracy": 0.5, "uar": 0.4},
        "calibration": calibration(),
        "dropped": {},
        "findings": {},
        "versions": {"fer-stage": "0.1.0", "python": "3.11"},
        "head": head,
        "head_sha256": HEAD,
        "history_sha256": "56" * 32,
    } | changes


_OF_RUNS = ("encoder_named", "encoder_identity", "width", "seconds", "together", "device", "history_sha256")


def export_record(head: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """head.json of the same head."""
    run = {name: value for name, value in run_record(head, **changes).items() if name not in _OF_RUNS}
    return {"format": 1, **run, "uses_encoder": True, "scores": []} | changes


def score_record(dataset: str, accuracy: Any = 0.45, uar: float = 0.45, **changes: Any) -> dict[str, Any]:
    """Twenty images: 10 surprise, 10 fear, no disgust."""
    return {
        "dataset": dataset,
        "split": "test",
        "n": 20,
        "accuracy": accuracy,
        "uar": uar,
        "per_class": {"surprise": 0.7, "fear": 0.2, "disgust": None},
        "support": {"surprise": 10, "fear": 10, "disgust": 0},
        "ece": 0.125,
        "ece_expected": None,
        "ece_uncalibrated": 0.25,
        "ci95": {"accuracy": [0.25, 0.75], "uar": [0.125, 0.875]},
        "confusion": [[7, 2, 1], [5, 2, 3], [0, 0, 0]],
        "rejected": 4,
        "dropped": {"contempt": 6},
        "seen": False,
        "encoder_saw": False,
        "run_key": RUN_KEY,
        "head_sha256": HEAD,
        "evaluate_version": stage_version("evaluate"),
        "store_key": KEY,
        "rows": "ab" * 32,
        "options": {},
        "dtype": "float16",
        "overlap": {"train": 0, "val": 0},
        "excluded_overlap": 0,
    } | changes
