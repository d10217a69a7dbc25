"""Why two stores are not the same: the fields in which they differ, in words where there are some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.keys import differences
from cache.reuse import image_keys_of
from cache.store import Store

__all__ = ["Difference", "Side", "compare"]

_N_IDS = 5

# The longest beginning of a field's name wins.
_WORDS = {
    "dataset": "the same features described otherwise",
    "dtype": "stored in another dtype",
    "encoder": "another encoder",
    "encoder.activation": "another activation: the same weights would give other features",
    "encoder.weights": "other weights",
    "outputs": "other outputs are stored",
    "precision": "computed in another precision",
    "preprocess": "images are prepared otherwise before they are encoded",
    "preprocess.alignment": "faces are aligned otherwise",
    "preprocess.decoder": "images are decoded otherwise",
    "provenance": "made by another program or device: no part of the key",
    "schema": "made by another version of the store",
    "views": "other augmented views",
    "views.rows": "other rows have augmented views: the train split changed",
}


@dataclass(frozen=True)
class Side:
    """One of two things to compare: a store, or what an extract would make now.

    Parameters
    ----------
    key_fields : of its key
    frame : the columns, one row per sample
    dataset : what the columns describe
    arrays : output -> digest of its values; empty if they were not made yet
    provenance : what made them
    """

    key_fields: Mapping[str, Any]
    frame: pd.DataFrame
    dataset: Mapping[str, Any]
    arrays: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> Self:
        manifest = store.manifest
        return cls(manifest.key_fields, store.frame, manifest.dataset, manifest.arrays, manifest.provenance)


@dataclass(frozen=True)
class Difference:
    """A field with its two values, and what that means."""

    name: str
    a: Any
    b: Any
    words: str


def compare(a: Side, b: Side) -> list[Difference]:
    """Every field in which the two differ; empty if an extract of one would take the other as it is.

    Fields of the key come first: they change features. Then columns and what they describe; and where the keys are
    equal but the features are not, what made them.
    """
    result = [_of_key(name, left, right, a, b) for name, (left, right) in _differing(a.key_fields, b.key_fields)]
    same_rows = a.key_fields.get("samples") == b.key_fields.get("samples")
    if same_rows:
        result += _column_differences(a.frame, b.frame)
    result += [_difference(name, *values) for name, values in _differing(a.dataset, b.dataset, "dataset.")]
    if a.key_fields == b.key_fields and a.arrays and b.arrays:
        result += _array_differences(a, b)
    return result


def _differing(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> list[tuple[str, tuple[Any, Any]]]:
    return list(differences(a, b, prefix).items())


def _of_key(name: str, left: Any, right: Any, a: Side, b: Side) -> Difference:
    return (
        Difference(name, left, right, _rows_in_words(a.frame, b.frame))
        if name == "samples"
        else _difference(name, left, right)
    )


def _difference(name: str, left: Any, right: Any) -> Difference:
    known = [beginning for beginning in _WORDS if f"{name}.".startswith(f"{beginning}.")]
    return Difference(name, left, right, _WORDS[max(known, key=len)] if known else "")


def _rows_in_words(a: pd.DataFrame, b: pd.DataFrame) -> str:
    """Which images came, went or changed, by id."""
    if not all("sha256" in frame and frame["id"].is_unique for frame in (a, b)):
        return "other images; which ones is not known without the column sha256 and different ids"
    old, new = _images(a), _images(b)
    removed, added = old.index.difference(new.index, sort=False), new.index.difference(old.index, sort=False)
    both = old.index.intersection(new.index, sort=False)
    changed = both[(old[both].to_numpy() != new[both].to_numpy())]
    counts = {"added": added, "removed": removed, "with another image, box or face": changed}
    parts = [f"{len(ids):,} {what} ({_few(ids)})" for what, ids in counts.items() if len(ids)]
    return "rows: " + (", ".join(parts) or "the same in another order")


def _images(frame: pd.DataFrame) -> pd.Series[Any]:
    """id -> what the image is to an encoder."""
    return pd.Series(image_keys_of(frame), index=frame["id"].to_numpy())


def _few(ids: Any) -> str:
    text = ", ".join(map(str, ids[:_N_IDS]))
    return f"{text}, ..." if len(ids) > _N_IDS else text


def _column_differences(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Difference]:
    """Columns of the same rows in the same order."""
    for name in dict.fromkeys([*a.columns, *b.columns]):
        if name not in a or name not in b:
            has = {True: "there", False: "missing"}
            yield Difference(f"columns.{name}", has[name in a], has[name in b], "the same features, another column")
        elif len(rows := np.flatnonzero(_unequal(a[name], b[name]))):
            words = f"the same features; {len(rows):,} rows have another {name} ({_few(b['id'].to_numpy()[rows])})"
            yield Difference(f"columns.{name}", _value(a, name, rows[0]), _value(b, name, rows[0]), words)


def _value(frame: pd.DataFrame, name: str, row: int) -> Any:
    """As plain data."""
    value = frame[name].to_numpy()[row]
    return value.item() if isinstance(value, np.generic) else value


def _unequal(a: pd.Series[Any], b: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    both_missing = (a.isna() & b.isna()).to_numpy()
    return np.asarray((a != b).to_numpy(), bool) & ~both_missing


def _array_differences(a: Side, b: Side) -> Iterator[Difference]:
    names = [name for name in a.arrays if a.arrays[name] != b.arrays.get(name)]
    for name in names:
        yield Difference(f"arrays.{name}", a.arrays[name], b.arrays.get(name), "the same key, yet not the same bits")
    if names:
        yield from (
            _difference(name, *values) for name, values in _differing(a.provenance, b.provenance, "provenance.")
        )
