"""why: the fields in which two stores differ, and nothing else, with words that say what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from cache.keys import StoreKey, sha256_of
from cache.testing.example import Example
from cache.upkeep.comparison import Difference, Side, compare

KEY = StoreKey(
    samples="s",
    encoder={"family": "open_clip", "architecture": "ViT-B-32", "activation": "gelu", "weights": "w1"},
    preprocess={"decoder": "pillow", "size": 224},
    outputs=("pooled",),
    views={"count": 1},
    precision="float32",
    dtype="float16",
)


def frame(ids: str, images: str | None = None, **columns: list[Any]) -> pd.DataFrame:
    """One row per letter; its image has the same letter unless given."""
    defaults = {
        "id": list(ids),
        "sha256": list(images or ids),
        "label": ["fear"] * len(ids),
        "split": ["train"] * len(ids),
    }
    return pd.DataFrame(defaults | columns)


def side(key: StoreKey = KEY, table: pd.DataFrame | None = None, **fields: Any) -> Side:
    return Side(
        key.fields(), frame("abc") if table is None else table, {"name": "faces", "classes": ["fear"]}, **fields
    )


def words(a: Side, b: Side) -> dict[str, str]:
    return {difference.name: difference.words for difference in compare(a, b)}


def test_equal_sides_have_no_difference() -> None:
    assert compare(side(), side()) == []
    missing = frame("abc", quality=[0.1, float("nan"), 0.3])
    assert compare(side(table=missing), side(table=missing.copy())) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dtype": "float32"}, {"dtype": "stored in another dtype"}),
        ({"encoder": {**KEY.encoder, "weights": "w2"}}, {"encoder.weights": "other weights"}),
        ({"encoder": {**KEY.encoder, "architecture": "ViT-L-14"}}, {"encoder.architecture": "another encoder"}),
        (
            {"preprocess": {"decoder": "turbo", "size": 336}},
            {
                "preprocess.decoder": "images are decoded otherwise",
                "preprocess.size": "images are prepared otherwise before they are encoded",
            },
        ),
        ({"views": {"count": 2, "rows": "r"}}, {"views.count": "other augmented views"}),
        ({"outputs": ("pooled", "tokens")}, {"outputs": "other outputs are stored"}),
        ({"precision": "amp-float16"}, {"precision": "computed in another precision"}),
    ],
    ids=str,
)
def test_fields_of_the_key_are_named_in_words(change: dict[str, Any], expected: dict[str, str]) -> None:
    result = words(side(), side(replace(KEY, **change)))
    assert result.items() >= expected.items()
    assert set(result) - set(expected) <= {"views.rows"}


def test_both_values_are_given() -> None:
    assert compare(side(), side(replace(KEY, dtype="float32"))) == [
        Difference("dtype", "float16", "float32", "stored in another dtype")
    ]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (frame("abcde"), "rows: 2 added (d, e)"),
        (frame("a"), "rows: 2 removed (b, c)"),
        (frame("abc", images="aXc"), "rows: 1 with another image, box or face (b)"),
        (frame("abc", box=["", "", "1,2,3,4"]), "rows: 1 with another image, box or face (c)"),
        (frame("cab"), "rows: the same in another order"),
        (frame("bcd", images="bYd"), "rows: 1 added (d), 1 removed (a), 1 with another image, box or face (c)"),
        (frame("abcdefghij"), "rows: 7 added (d, e, f, g, h, ...)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_samples_are_named_by_their_ids(new: pd.DataFrame, expected: str) -> None:
    other = side(replace(KEY, samples="t"), new)
    assert words(side(), other) == {"samples": expected}  # columns of other rows are not compared


def test_other_columns_of_the_same_rows_are_counted() -> None:
    new = frame("abc", split=["train", "val", "test"], label=["fear"] * 3, fold=[0, 1, 2])
    result = compare(side(), side(table=new))
    assert result == [
        Difference("columns.split", "train", "val", "the same features; 2 rows have another split (b, c)"),
        Difference("columns.fold", "missing", "there", "the same features, another column"),
    ]


def test_another_description_is_a_difference() -> None:
    other = replace(side(), dataset={"name": "faces", "classes": ["fear", "anger"]})
    assert words(side(), other) == {"dataset.classes": "the same features described otherwise"}


def test_equal_keys_with_other_bits_name_what_made_them() -> None:
    one = side(arrays={"pooled": "1"}, provenance={"device": "cpu", "versions": {"torch": "2.6"}})
    two = side(arrays={"pooled": "2"}, provenance={"device": "cuda", "versions": {"torch": "2.6"}})
    assert words(one, two) == {
        "arrays.pooled": "the same key, yet not the same bits",
        "provenance.device": "made by another program or device: no part of the key",
    }
    assert compare(one, replace(two, arrays={"pooled": "1"})) == []  # who made equal bits does not matter


def test_a_store_is_a_side(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stores")
    one, two = (Example(generation=g).write(folder / f"{g}.zarr") for g in (0, 1))
    [difference] = compare(Side.of(one), Side.of(two))
    assert difference.name == "columns.split"
    assert "10 rows have another split" in difference.words
    assert Side.of(one).key_fields == Example().key.fields()
    assert sha256_of(Side.of(one).key_fields) == one.key
