"""Run folders with heads of every kind on `untrained`. Their values are drawn: not good, but they tell faces apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from run_records import calibration, run_record

from pipeline.datasets.drawn import draw_face, sample_specs
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.learning.spec import HeadSpec
from pipeline.methods.packing import build_head, pack
from pipeline.tables.labels import EXPRESSIONS

__all__ = ["CLASSES", "HEADS", "SIDE", "untrained", "write_head"]

CLASSES = EXPRESSIONS[:7]
SIDE = 40  # of `pixels`, pixels
# Name -> kind, what it reads, its options.
HEADS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "pooled": ("linear", ("pooled",), {}),
    "tokens": ("token-mask", ("pooled", "tokens"), {"sigmoid": True, "bias": True, "queries": 2, "hidden": 8}),
    "pixels": ("image", ("pixels",), {"backbone": "small"}),
    "pixels-and-pooled": ("image-mask", ("pooled", "pixels"), {"sigmoid": True, "bias": True, "backbone": "small"}),
    "tail": ("fine-tune", ("block-1",), {}),
    "whole-encoder": ("fine-tune", ("pixels",), {}),
}


@cache
def untrained() -> TorchEncoder:
    loaded = load_encoder(EncoderSpec.parse("untrained"), "cpu", "eager")
    assert isinstance(loaded, TorchEncoder)
    return loaded


@cache
def _features_of_faces() -> torch.Tensor:
    """The features of a random encoder are nearly the same for all faces: heads look at what differs."""
    encoder = untrained()
    faces = [encoder.preprocess(draw_face(spec, "sample-c")) for spec in sample_specs("sample-c", 16)]
    return torch.from_numpy(encoder.encode_images(np.stack(faces))["pooled"])


def write_head(
    folder: Path,
    name: str = "pooled",
    *,
    alignment: Mapping[str, Any] | None = None,
    temperature: float = 1.0,
    clip_frames: int | None = None,
    changed: Mapping[str, Any] | None = None,
) -> Path:
    """A run folder with the head `name` of `HEADS`.

    `alignment` is that of its features, `clip_frames` makes it one of clips; `changed` replaces fields of its record.
    """
    kind, reads, options = HEADS[name]
    encoder = untrained()
    shapes = {**encoder.row_shapes, "pixels": (SIDE, SIDE, 3)}
    preprocess = {
        "decoder": "pillow",
        **encoder.preprocess.as_json(),
        **({"alignment": alignment} if alignment else {}),
    }
    identity = {"encoder": dict(encoder.identity), "preprocess": preprocess, "precision": "float32"}
    inputs = {name: shapes[name] for name in reads}
    scale = "standard" if "pooled" in reads else "raw"
    head = build_head(HeadSpec(kind, CLASSES, inputs, identity, "faces", scale, options, clip_frames), encoder)
    head.reset(torch.Generator().manual_seed(0))
    if scale == "standard":
        head.scale.fit(_features_of_faces())
    state, description = pack(head)
    record = run_record(
        description,
        head_sha256=hashlib.sha256(state).hexdigest(),
        encoder_spec="untrained",
        calibration=calibration(temperature),
    )
    folder.mkdir(parents=True)
    (folder / "head.safetensors").write_bytes(state)
    (folder / "run.json").write_text(json.dumps({**record, **(changed or {})}))
    return folder
