"""Keys: equal content, equal digest; any change, another digest; and a name for every difference."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cache.keys import StoreKey, canonical_json, differences, sha256_of, sha256_of_columns

NAMES = st.text("abcde_", min_size=1, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)

KEY = StoreKey(
    samples="0" * 64,
    encoder={"family": "open_clip", "config": {"act": "quick_gelu", "width": 768}, "weights": "a1"},
    preprocess={"size": 224, "mean": [0.48, 0.46, 0.41], "crop": "center"},
    outputs=("pooled", "tokens"),
    views={"n": 4, "seed": 0},
    precision="float32",
    dtype="float16",
)


def reversed_everywhere(value: Any) -> Any:
    """The same JSON value with every object's names in the other order."""
    if isinstance(value, dict):
        return {name: reversed_everywhere(value[name]) for name in reversed(value)}
    return [reversed_everywhere(item) for item in value] if isinstance(value, list) else value


@given(OBJECTS)
def test_the_order_of_names_does_not_matter(value: dict[str, Any]) -> None:
    assert sha256_of(reversed_everywhere(value)) == sha256_of(value)


@given(OBJECTS, OBJECTS)
def test_differences_are_empty_exactly_if_the_digests_are_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (differences(a, b) == {}) == (sha256_of(a) == sha256_of(b))


@given(OBJECTS, OBJECTS)
def test_differences_name_what_each_side_has(a: dict[str, Any], b: dict[str, Any]) -> None:
    for name, (left, right) in differences(a, b).items():
        assert canonical_json(found_at(a, name)) == canonical_json(left)
        assert canonical_json(found_at(b, name)) == canonical_json(right)


def found_at(value: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"samples": "1" * 64}, "samples"),
        ({"encoder": {**KEY.encoder, "config": {"act": "gelu", "width": 768}}}, "encoder.config.act"),
        ({"encoder": {**KEY.encoder, "weights": "b2"}}, "encoder.weights"),
        ({"preprocess": {**KEY.preprocess, "mean": [0.5, 0.5, 0.5]}}, "preprocess.mean"),
        ({"outputs": ("pooled",)}, "outputs"),
        ({"outputs": ("tokens", "pooled")}, "outputs"),
        ({"views": {"n": 4, "seed": 1}}, "views.seed"),
        ({"views": {"n": 4}}, "views.seed"),
        ({"precision": "bfloat16"}, "precision"),
        ({"dtype": "float32"}, "dtype"),
    ],
)
def test_every_field_enters_the_key_and_is_named(changes: dict[str, Any], name: str) -> None:
    other = replace(KEY, **changes)
    assert other.digest != KEY.digest
    assert list(differences(KEY.fields(), other.fields())) == [name]


@given(st.sampled_from([field.name for field in fields(StoreKey)]), VALUES)
def test_no_two_values_of_a_field_share_a_digest(name: str, value: Any) -> None:
    assume(canonical_json(value) != canonical_json(KEY.fields()[name]))
    fields_of_other = {**KEY.fields(), name: value}
    assert sha256_of(fields_of_other) != KEY.digest


def test_the_key_is_made_of_content_only() -> None:
    """No path, no date, no batch size, no device: a new field must be thought about here."""
    names = {"samples", "encoder", "preprocess", "outputs", "views", "precision", "dtype", "schema"}
    assert set(KEY.fields()) == names


def test_the_digest_is_the_same_for_ever() -> None:
    """A literal: stores that people have keep their keys whatever is refactored."""
    assert KEY.digest == "dad80db50b7bee9f3c239945cc86df34de9ff47d2c78ade5d599f856c1709142"
    assert canonical_json({"b": 1, "a": [1.5, "é", None]}) == '{"a":[1.5,"é",null],"b":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        sha256_of({"field": value})


_TEXTS = st.text(st.characters(exclude_categories=[])) | st.sampled_from(
    ['"', "\\", "\x00", "\x1f", '","', "\ud800", ""]
)
_ROWS = st.lists(_TEXTS) | st.lists(st.tuples(_TEXTS, st.none() | _TEXTS)) | st.lists(_TEXTS | st.tuples(_TEXTS))


@given(_ROWS | st.lists(st.tuples(_TEXTS, st.none())) | st.lists(st.lists(_TEXTS | st.none() | st.floats(0, 1))))
def test_long_columns_have_the_json_of_the_standard_library(rows: list[Any]) -> None:
    expected = json.dumps(rows, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    assert canonical_json(rows) == canonical_json(tuple(rows)) == expected


@pytest.mark.parametrize("value", [[float("nan")], [object()], [("a", object())], [np.zeros(2)], [("a", np.zeros(2))]])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_json(value)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_columns_in_blocks_have_the_digest_of_their_lists(size: int) -> None:
    columns: list[list[Any]] = [["a", "é", "b"], [], [1, 2, 3]]
    blocks = [[column[i : i + size] for i in range(0, len(column), size)] for column in columns]
    assert sha256_of_columns(blocks) == sha256_of(columns)
    assert sha256_of_columns([]) == sha256_of([])
