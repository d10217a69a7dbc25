"""The key of a store: sha256 over everything that changes a feature, and nothing else.

No path, no date, no batch size and no device enters it: what is equal by content has an equal key anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cache.column_json import column_json

__all__ = ["StoreKey", "canonical_json", "differences", "sha256_of", "sha256_of_columns", "sha256_of_items"]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text. NaN and non-JSON values are refused."""
    if isinstance(value, list | tuple) and (text := column_json(value)):
        return text
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def sha256_of(value: Any) -> str:
    """Hex digest of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of_items(blocks: Iterable[Sequence[Any]]) -> str:
    """`sha256_of` the list of the items of all blocks: a million of them are never in memory at once."""
    digest = hashlib.sha256()
    for text in _list_json(blocks):
        digest.update(text)
    return digest.hexdigest()


def sha256_of_columns(columns: Iterable[Iterable[Sequence[Any]]]) -> str:
    """`sha256_of` a list of lists, each given in blocks."""
    digest, separator = hashlib.sha256(b"["), b""
    for blocks in columns:
        digest.update(separator)
        for text in _list_json(blocks):
            digest.update(text)
        separator = b","
    digest.update(b"]")
    return digest.hexdigest()


def _list_json(blocks: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The canonical JSON of the list of the items of all blocks, in pieces."""
    yield b"["
    separator = b""
    for block in blocks:
        if block:
            yield separator + canonical_json(list(block))[1:-1].encode()
            separator = b","
    yield b"]"


@dataclass(frozen=True)
class StoreKey:
    """The fields that identify a store's features, as plain JSON data.

    Parameters
    ----------
    samples : digest of the ordered image digests and boxes
    encoder : the encoder's identity: family, resolved architecture, activation, weights' sha256
    preprocess : decoder, resize, crop, interpolation, mean, std
    outputs : what is stored, e.g. `["pooled"]`
    views : count, recipe, seed, and which rows have them
    precision : of the computation, e.g. `float32`
    dtype : on disk
    """

    samples: str
    encoder: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    outputs: tuple[str, ...]
    views: Mapping[str, Any]
    precision: str
    dtype: str

    def fields(self) -> dict[str, Any]:
        return {**vars(self), "outputs": list(self.outputs), "schema": 1}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> StoreKey:
        """The key whose `fields()` these are, as a manifest holds them."""
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__} | {"outputs": tuple(fields["outputs"])})

    @property
    def digest(self) -> str:
        return sha256_of(self.fields())


def differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """The fields in which two keys differ, nested names joined by dots: `{"encoder.weights": (old, new)}`.

    Empty exactly if both have the same canonical JSON. A field that one key lacks shows as None on its side.
    """
    result: dict[str, tuple[Any, Any]] = {}
    for name in sorted(set(a) | set(b)):
        left, right = a.get(name), b.get(name)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            result |= differences(left, right, f"{prefix}{name}.")
        elif name not in a or name not in b or canonical_json(left) != canonical_json(right):
            result[prefix + name] = (left, right)
    return result
