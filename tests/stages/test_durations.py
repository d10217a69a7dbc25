"""Durations as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from stages.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2s", 2),
        ("2", 2),
        (" 2 s ", 2),
        (".5s", 0.5),
        ("2.s", 2),
        ("500ms", 0.5),
        ("1m", 60),
        ("1.5min", 90),
        ("1h", 3600),
    ],
)
def test_are_read_with_and_without_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


def test_numbers_are_seconds() -> None:
    assert (seconds(2), seconds(0.5), seconds(0)) == (2, 0.5, 0)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("2sec", "Did you mean 2s?"),
        ("2,5s", "Did you mean 2.5s?"),
        ("2 minute", "Did you mean 2m?"),
        ("3S", "Did you mean 3s?"),
    ],
)
def test_what_was_probably_meant_is_said(wrong: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint.replace("?", r"\?")):
        seconds(wrong)


@pytest.mark.parametrize(
    "wrong", ["", "s", "two", "-1s", "1e400", "nan", "inf", -1.0, float("nan"), float("inf"), True]
)
def test_what_is_no_duration_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 2s"):
        seconds(wrong)
