"""Weights as safetensors bytes, checked without torch: header, sizes, and that every value is finite."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError

__all__ = ["TensorInfo", "check_finite", "tensors_in"]

_PREFIX = 8  # bytes: the length of the header, little endian
_MAX_HEADER = 16 * 2**20
_MAX_AXES = 8
_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "F16": 2, "BF16": 2, "F32": 4, "F64": 8}
_FLOATS: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: `dtype` as safetensors writes it, its shape, and where its bytes are after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def tensors_in(state: bytes, where: str, advice: str) -> dict[str, TensorInfo]:
    """Name -> tensor of safetensors bytes; shapes, offsets and the length of the bytes fit each other.

    Parameters
    ----------
    state : a whole file
    where : names the file in messages
    advice : what to do about a damaged one

    Raises
    ------
    InputError
        If the bytes are no safetensors, a tensor is not as long as its shape, or bytes are missing or left over.
    """
    header, n_header = _header(state, where, advice)
    tensors = {name: _info(name, item, where, advice) for name, item in header.items() if name != "__metadata__"}
    end = 0
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if info.start != end:
            raise _damaged(where, f"tensor {name!r} to begin at byte {end}, found {info.start}", advice)
        end = info.stop
    if (n_bytes := len(state) - _PREFIX - n_header) != end:
        raise _damaged(where, f"{end:,} bytes of values, found {n_bytes:,}", advice)
    return tensors


def check_finite(state: bytes, where: str, advice: str) -> None:
    """Refuse weights of which one is NaN or infinite: what such a head computes is no prediction.

    Raises
    ------
    InputError
        Naming file and tensor; also if the bytes are no safetensors.
    """
    tensors = tensors_in(state, where, advice)
    first = len(state) - max((info.stop for info in tensors.values()), default=0)
    for name, info in tensors.items():
        values = memoryview(state)[first + info.start : first + info.stop]
        if n_bad := _n_not_finite(values, info.dtype):
            raise InputError(
                f"{where}: expected finite weights, found {n_bad:,} of {math.prod(info.shape):,} values of tensor "
                f"{name!r} that are NaN or infinite. {advice}"
            )


def _n_not_finite(values: memoryview, dtype: str) -> int:
    if dtype == "BF16":  # numpy has no such type: all bits of the exponent are set
        bits: npt.NDArray[np.uint16] = np.frombuffer(values, "<u2")
        return int(((bits & 0x7F80) == 0x7F80).sum())
    if dtype not in _FLOATS:
        return 0
    floats = np.frombuffer(values, _FLOATS[dtype])
    return len(floats) - int(np.isfinite(floats).sum())


def _header(state: bytes, where: str, advice: str) -> tuple[Mapping[str, Any], int]:
    n_header = struct.unpack_from("<Q", state)[0] if len(state) >= _PREFIX else -1
    if not 2 <= n_header <= min(_MAX_HEADER, len(state) - _PREFIX):
        raise _damaged(where, "safetensors, found other bytes", advice)
    try:
        header = json.loads(state[_PREFIX : _PREFIX + n_header])
    except (ValueError, RecursionError) as error:
        raise _damaged(where, f"safetensors, found a header that is no JSON ({error})", advice) from error
    if not isinstance(header, dict):
        raise _damaged(where, f"safetensors, found a header that is no object: {header!r:.60}", advice)
    return header, n_header


def _info(name: str, item: Any, where: str, advice: str) -> TensorInfo:
    """The entry of a tensor in the header, checked."""
    entry = item if isinstance(item, dict) else {}
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not (isinstance(dtype, str) and dtype in _BYTES):
        raise _damaged(where, f"tensor {name!r} of a dtype of {', '.join(_BYTES)}, found {dtype!r:.60}", advice)
    if not (_is_counts(shape) and len(shape) <= _MAX_AXES):
        raise _damaged(where, f"a shape of tensor {name!r}, found {shape!r:.60}", advice)
    n_bytes = math.prod(shape) * _BYTES[dtype]
    if not (_is_counts(offsets) and len(offsets) == 2 and offsets[1] - offsets[0] == n_bytes):
        raise _damaged(where, f"tensor {name!r} of shape {shape} in {n_bytes:,} bytes, found {offsets!r:.60}", advice)
    return TensorInfo(dtype, tuple(shape), offsets[0], offsets[1])


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _damaged(where: str, expected: str, advice: str) -> InputError:
    return InputError(f"{where} is damaged: expected {expected}. {advice}")
