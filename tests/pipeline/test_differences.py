"""Differences of two records in words."""

from __future__ import annotations

from pipeline.differences import differences_text


def test_a_record_that_one_side_lacks_is_named_by_its_fields() -> None:
    aligned = {"size": 224, "alignment": {"margin": 0.25, "detector": {"sha256": "0" * 64}}}
    text = differences_text({"preprocess": aligned}, {"preprocess": {"size": 224, "alignment": None}})
    assert text == "preprocess.alignment: expected a record of detector, margin, found None"
    assert differences_text({"a": {}}, {"a": None}) == "a: expected {}, found None"


def test_fields_of_both_records_are_compared_one_by_one() -> None:
    text = differences_text({"a": {"b": 1, "c": (2,)}}, {"a": {"b": 3, "c": [2]}})
    assert text == "a.b: expected 1, found 3"
