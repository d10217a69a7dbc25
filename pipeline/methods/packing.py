"""A head as bytes: safetensors for the values, plain JSON for what rebuilds it. Neither can run a program."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from pipeline.errors import InputError, MismatchError
from pipeline.learning.head import HEADS, Head
from pipeline.learning.spec import HEAD_FORMAT, HeadSpec
from pipeline.methods import METHODS, family_names
from pipeline.methods.own import load_own_heads
from pipeline.tensors import TensorInfo, tensors_in

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["build_head", "head_class", "pack", "unpack"]

_TORCH = {
    "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "BOOL": torch.bool,
    "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
}  # fmt: skip
_AGAIN = "Train it again"


def head_class(kind: str) -> type[Head]:
    """The class of heads of a kind.

    Raises
    ------
    InputError
        If the kind is not known.
    """
    for module in (*_modules_with_heads(), ""):
        if kind in HEADS:
            break
        import_module(module) if module else load_own_heads()
    if kind not in HEADS:
        raise InputError(
            f"head: expected a kind of {', '.join(sorted(HEADS))}, found {kind!r}. "
            "It was written by a newer fer-stage: update"
        )
    return HEADS[kind]


def _modules_with_heads() -> list[str]:
    """Modules of heads first, the lightest families before the others: those that train take longer to import."""
    heads = [f"{family}.heads" for family in family_names()]
    return [f"pipeline.methods.{module}" for module in (*heads, *dict.fromkeys(METHODS.values()))]


def build_head(spec: HeadSpec, encoder: TorchEncoder | None = None) -> Head:
    """A head of the spec's kind, without values.

    Parameters
    ----------
    spec : HeadSpec
    encoder : the frozen encoder, for heads that are a part of it (`Head.needs_encoder`)

    Raises
    ------
    InputError
        If the kind is not known, or a head needs an encoder and there is none.
    MismatchError
        If the encoder is another one than the head was trained on.
    """
    kind = head_class(spec.kind)
    if not kind.needs_encoder:
        return _constructed(kind, spec)
    if encoder is None:
        raise InputError(f"head {spec.kind}: expected the encoder that it is a part of, found none. Load it first")
    if (expected := spec.encoder.get("encoder")) != encoder.identity:
        raise MismatchError(
            f"head {spec.kind} is a part of the encoder {expected}, found {dict(encoder.identity)}. Load that one"
        )
    return _constructed(kind, spec, encoder)


def _constructed(kind: type[Head], spec: HeadSpec, *encoder: TorchEncoder) -> Head:
    """The head; a description of other inputs or options than its kind has is refused, by name."""
    try:
        return kind(spec, *encoder)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"head {spec.kind}: expected the inputs and options of its kind, found inputs {dict(spec.inputs)} and "
            f"options {dict(spec.options)}: {error}. {_AGAIN}"
        ) from error


def pack(head: Head) -> tuple[bytes, dict[str, Any]]:
    """The head's values as safetensors, and its description as plain JSON data."""
    tensors = {name: tensor.contiguous() for name, tensor in head.state_dict().items()}
    return safetensors.torch.save(tensors), {"format": HEAD_FORMAT} | head.spec.as_json()


def unpack(state: bytes, description: Mapping[str, Any], encoder: TorchEncoder | None = None) -> Head:
    """The head that `pack` took apart; `encoder` is for heads that are a part of one.

    Raises
    ------
    InputError
        If the bytes are no safetensors, or the description is of another format.
    MismatchError
        If values and description do not belong together.
    """
    if description.get("format") != HEAD_FORMAT:
        raise InputError(
            f"head description: expected format {HEAD_FORMAT}, found {description.get('format')!r}. "
            "Train the head again, or update fer-stage if it is newer"
        )
    try:
        spec = HeadSpec.from_json({name: value for name, value in description.items() if name != "format"})
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"head description: a field is missing or unknown: {error}. Train the head again") from error
    tensors = tensors_in(state, "head weights", _AGAIN)
    if not head_class(spec.kind).needs_encoder:
        with torch.device("meta"):  # shapes alone: nothing is allocated for what the weights turn out not to have
            _load(build_head(spec), {name: _empty(info) for name, info in tensors.items()})
    head = build_head(spec, encoder)
    try:
        values = safetensors.torch.load(state)
    except SafetensorError as error:
        raise InputError(f"head weights: expected safetensors, found other bytes: {error}. {_AGAIN}") from error
    _load(head, values)
    return head.eval()


def _empty(info: TensorInfo) -> torch.Tensor:
    return torch.empty(info.shape, dtype=_TORCH[info.dtype], device="meta")


def _load(head: Head, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give a head its values.

    Raises
    ------
    MismatchError
        If names or shapes are others, or floats are where the head has whole numbers, or the other way round.
    """
    current, spec = head.state_dict(), head.spec
    kinds = [name for name in current.keys() & tensors.keys() if _is_float(current[name]) != _is_float(tensors[name])]
    try:
        head.load_state_dict(tensors)
    except RuntimeError as error:
        details = "; ".join(line.strip(" \t.") for line in str(error).splitlines()[1:])
    else:
        details = f"other dtypes of {', '.join(sorted(kinds))}" if kinds else ""
    if details:
        raise MismatchError(
            f"head weights do not fit their description, {spec.kind} of {dict(spec.inputs)} to {len(spec.classes)} "
            f"classes: {details}. Keep head.safetensors beside the run.json that was written with it"
        )


def _is_float(tensor: torch.Tensor) -> bool:
    return tensor.dtype.is_floating_point
