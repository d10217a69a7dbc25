"""A head as bytes: safetensors for the values, plain JSON for what rebuilds it. Neither can run a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from pipeline.errors import InputError, MismatchError
from pipeline.models.head import Head
from pipeline.models.linear import LinearHead
from pipeline.models.mask import FeatureMaskHead
from pipeline.models.spec import HeadSpec
from pipeline.models.text import TextSimilarityHead

__all__ = ["HEAD_KINDS", "build_head", "pack", "unpack"]

HEAD_KINDS: dict[str, type[Head]] = {
    "feature-mask": FeatureMaskHead,
    "linear": LinearHead,
    "text-similarity": TextSimilarityHead,
}
_FORMAT = 1


def build_head(spec: HeadSpec) -> Head:
    """A head of the spec's kind, without values.

    Raises
    ------
    InputError
        If the kind is not known.
    """
    if spec.kind not in HEAD_KINDS:
        raise InputError(
            f"head: expected a kind of {', '.join(HEAD_KINDS)}, found {spec.kind!r}. "
            "It was written by a newer fer-stage: update"
        )
    return HEAD_KINDS[spec.kind](spec)


def pack(head: Head) -> tuple[bytes, dict[str, Any]]:
    """The head's values as safetensors, and its description as plain JSON data."""
    tensors = {name: tensor.contiguous() for name, tensor in head.state_dict().items()}
    return safetensors.torch.save(tensors), {"format": _FORMAT} | head.spec.as_json()


def unpack(state: bytes, description: Mapping[str, Any]) -> Head:
    """The head that `pack` took apart.

    Raises
    ------
    InputError
        If the bytes are no safetensors, or the description is of another format.
    MismatchError
        If values and description do not belong together.
    """
    try:
        spec = HeadSpec.from_json({name: value for name, value in description.items() if name != "format"})
    except (KeyError, TypeError) as error:
        raise InputError(f"head description: a field is missing or unknown: {error}. Train the head again") from error
    if description.get("format") != _FORMAT:
        raise InputError(
            f"head description: expected format {_FORMAT}, found {description.get('format')!r}. Update fer-stage"
        )
    head = build_head(spec)
    try:
        tensors = safetensors.torch.load(state)
    except SafetensorError as error:
        raise InputError(f"head weights: expected safetensors, found other bytes: {error}. Train it again") from error
    try:
        head.load_state_dict(tensors)
    except RuntimeError as error:
        details = "; ".join(line.strip(" \t.") for line in str(error).splitlines()[1:])
        raise MismatchError(
            f"head weights do not fit their description, {spec.kind} of {spec.width} x {len(spec.classes)} classes: "
            f"{details}. Keep head.safetensors beside the run.json that was written with it"
        ) from error
    return head.eval()
