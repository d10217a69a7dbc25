"""The `where` language: it means what pandas means, but that a missing number meets no comparison; what it does not
know it refuses; nothing is ever run.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import QueryError
from cache.query import names_in, row_mask, unknown_values

FRAME = pd.DataFrame(
    {
        "label": ["fear", "anger", "fear", "", "Überraschung", "it's"],
        "split": ["test", "train", "train", "val", "test", "fear"],
        "frame": np.array([0, 5, -1, 7, 5, 2**40]),
        "quality": np.array([0.5, np.nan, 1.0, 0.0, -2.5, 0.5]),
    }
)
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TEXTS = st.sampled_from([*FRAME["label"], *FRAME["split"], "z", "tes"])
NUMBERS = st.integers(-2, 9) | st.sampled_from([2**40, 2**70, -(2**70), 0.5, -2.5, 1e300])
COLUMNS = {"label": TEXTS, "split": TEXTS, "frame": NUMBERS, "quality": NUMBERS}

KNOWN = {name: FRAME[name].notna() & ((FRAME[name] != -1) | (name != "frame")) for name in FRAME}

Condition = tuple[str, "pd.Series[bool]", "pd.Series[bool]"]  # and where it holds, and where its negation does


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(list(COLUMNS)))
    sign = draw(st.sampled_from(list(OPERATORS)))
    value = draw(_values(name) if sign in ("==", "!=") else COLUMNS[name])
    if draw(st.booleans()):
        return _condition(f"{name} {sign} {value!r}", OPERATORS[sign](FRAME[name], value), name)
    return _condition(f"{value!r} {sign} {name}", OPERATORS[sign](value, FRAME[name]), name)


def _values(name: str) -> st.SearchStrategy[Any]:
    """What a column may be equal to: not to what is stored where it has no value."""
    return COLUMNS[name].filter(lambda value: not (name == "frame" and value == -1))


def _condition(where: str, found: pd.Series[bool], name: str) -> Condition:
    return where, found & KNOWN[name], ~found & KNOWN[name]


@st.composite
def memberships(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(list(COLUMNS)))
    values = draw(st.lists(_values(name), max_size=3))
    expected = FRAME[name].map(lambda found: any(found == value for value in values)).astype(bool)
    if draw(st.booleans()):
        return _condition(f"{name} in {values!r}", expected, name)
    return _condition(f"{name} not in {values!r}", ~expected, name)


@st.composite
def questions(draw: st.DrawFn) -> Condition:
    name, null = draw(st.sampled_from(list(COLUMNS))), draw(st.sampled_from(["null", "None"]))
    missing = (FRAME[name] == "") if name in ("label", "split") else ~KNOWN[name]
    negated = draw(st.booleans())
    where = f"{name} is not {null}" if negated else f"{name} is {null}"
    return (where, ~missing, missing) if negated else (where, missing, ~missing)


@st.composite
def chains(draw: st.DrawFn) -> Condition:
    low, high = draw(st.integers(-2, 9)), draw(st.integers(-2, 9))
    return _condition(f"{low} <= frame < {high}", (FRAME["frame"] >= low) & (FRAME["frame"] < high), "frame")


def joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    pairs = st.tuples(inner, inner)
    return (
        pairs.map(lambda two: (f"({two[0][0]}) and ({two[1][0]})", two[0][1] & two[1][1], two[0][2] | two[1][2]))
        | pairs.map(lambda two: (f"({two[0][0]}) or ({two[1][0]})", two[0][1] | two[1][1], two[0][2] & two[1][2]))
        | inner.map(lambda one: (f"not ({one[0]})", one[2], one[1]))
    )


CONDITIONS = st.recursive(comparisons() | memberships() | chains() | questions(), joined, max_leaves=6)


@given(CONDITIONS)
def test_a_condition_means_what_pandas_means_of_what_is_known(condition: Condition) -> None:
    where, expected, _negated = condition
    assert row_mask(where, FRAME).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("label == 'fear' and split == 'train'", [2]),
        ("label == 'fear' or split == 'val' and frame > 100", [0, 2]),  # and binds closer than or
        ("not label == 'fear' and split == 'test'", [4]),  # not binds closest
        ("-1 < frame <= 5 != 5", []),
        ("split == label", []),
        ("quality == quality", [0, 2, 3, 4, 5]),  # NaN equals nothing
        ('label == "it\'s"', [5]),
        ("label in {'', 'anger'}", [1, 3]),
        ("frame in ()", []),
        ("1 == 1", [0, 1, 2, 3, 4, 5]),
        ("  frame == 7  ", [3]),
        ("frame < 6", [0, 1, 4]),  # not the row without a frame
        ("not frame >= 6", [0, 1, 4]),
        ("frame != 5", [0, 3, 5]),
        ("not frame == 5", [0, 3, 5]),
        ("frame not in (5, 7)", [0, 5]),
        ("quality != 0.5", [2, 3, 4]),
        ("not quality == 0.5", [2, 3, 4]),
        ("frame < 6 or split == 'train'", [0, 1, 2, 4]),  # the other condition still holds
        ("not (frame < 6 and split == 'test')", [1, 2, 3, 5]),
        ("frame is null", [2]),
        ("frame is not null and quality is None", [1]),
        ("not frame is null", [0, 1, 3, 4, 5]),
        ("label is null", [3]),
    ],
)
def test_a_condition_chooses_these_rows(where: str, rows: list[int]) -> None:
    assert np.flatnonzero(row_mask(where, FRAME)).tolist() == rows


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("labels == 'fear'", "no column 'labels'. Did you mean 'label'?"),
        ("colour == 'red'", "Known: label, split, frame, quality. Text is written in quotes"),
        ("label == fear", "no column 'fear'"),
        ("label = 'fear'", "Equality is written =="),
        ("frame == '5'", "text is compared with a number; put text in quotes and leave numbers bare"),
        ("label == 5", "text is compared with a number"),
        ("label in ('fear', 5)", "text is compared with a number"),
        ("5 < label", "text is compared with a number"),
        ("label in 'fear'", "needs a column and a list: label in ('fear', 'anger')"),
        ("label in ('fear')", "a list: label in ('fear', 'anger'), or ('fear',) of one"),
        ("'fear' in label", "needs a column and a list"),
        ("frame in (frame, 5)", "a list holds values"),
        ("frame in ((1, 2), 3)", "a list is compared with `in`"),
        ("label == ['fear']", "a list is compared with `in`"),
        ("label is 'fear'", "expected ==, !=, <, <=, >, >=, in or not in"),
        ("label", "'label' is no condition"),
        ("True", "'True' is no condition"),
        ("label == None", "'None' is neither a column nor a value. A missing value is written: frame is null"),
        ("frame == null", "A missing value is written: frame is null"),
        ("frame == -1", "rows without one are those with `frame is null`"),
        ("-1 != frame", "those with `frame is null`"),
        ("frame in (0, -1)", "those with `frame is null`"),
        ("5 is null", "`is` compares with null only"),
        ("nothing is null", "no column 'nothing'"),
        ("label == 'fear' &", "cannot be read"),
        ("", "cannot be read"),
        ("   ", "cannot be read"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(where: str, answer: str) -> None:
    with pytest.raises(QueryError) as caught:
        row_mask(where, FRAME)
    assert answer in str(caught.value)


@pytest.mark.parametrize(
    "where",
    [
        "__import__('os').system('true')",
        "__import__('os') == 1",
        "label == open('/etc/passwd').read()",
        "label.str.upper() == 'FEAR'",
        "label.values == 'fear'",
        "().__class__.__bases__ == 1",
        "label[0] == 'fear'",
        "frame == [1][0]",
        "(lambda: 1)() == 1",
        "frame == (lambda: 1)",
        "(x := 1) == 1",
        "frame == (x := 1)",
        "label == f'{label}'",
        "frame in [x for x in (1, 2)]",
        "[x for x in (1, 2)]",
        "{1: 2} == 1",
        "frame == 1 if True else 2",
        "frame + 1 == 2",
        "frame == 9 ** 9 ** 9 ** 9",
        "label == 'a' * 10 ** 9",
        "~(frame == 1)",
        "frame == ~1",
        "(frame == 1) & (label == 'fear')",
        "label == b'fear'",
        "frame == 1j",
        "frame == ...",
        "*frame == 1",
        "await frame == 1",
        "frame == 1; import os",
        "import os",
        "label == 'fear'\nimport os",
        "label == '\0'",
        "label == 'fear' # \ud800",
    ],
)
def test_nothing_else_gets_through(where: str) -> None:
    with pytest.raises(QueryError, match=r"\Awhere "):
        row_mask(where, FRAME)


@given(st.text(max_size=20) | st.text("labefr=<>'\"()[]{}.,:0123 \n\\-~not", max_size=25))
def test_any_text_gives_a_mask_or_a_query_error(where: str) -> None:
    try:
        mask = row_mask(where, FRAME)
    except QueryError:
        return
    assert mask.shape == (6,)
    assert mask.dtype == bool


NESTED = {
    "not": lambda depth: "not " * depth + "frame == 1",
    "brackets": lambda depth: "(" * depth + "frame == 1" + ")" * depth,
    "minus": lambda depth: "frame == " + "-" * depth + "1",
    "lists": lambda depth: "frame in " + "[" * depth + "1" + "]" * depth,
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("depth", [150, 1_000, 5_000, 100_000])
def test_deep_nesting_is_answered_or_refused(nested: Callable[[int], str], depth: int) -> None:
    """Never a RecursionError, whichever of parser and evaluation gives up first; a few levels are fine."""
    assert np.flatnonzero(row_mask("not not (((frame == 5)))", FRAME)).tolist() == [1, 4]
    where = nested(depth)
    with suppress(QueryError):
        assert row_mask(where, FRAME).shape == (6,)


def test_a_long_list_is_no_deep_nesting() -> None:
    values: list[Any] = [*range(20_000), 5]
    assert np.flatnonzero(row_mask(f"frame in {values}", FRAME)).tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("where", "unknown"),
    [
        ("label == 'feer'", [("label", "feer", "fear")]),
        ("'FEAR' == label", [("label", "FEAR", "fear")]),
        ("label in ('fear', 'angr', 'zzz')", [("label", "angr", "anger"), ("label", "zzz", None)]),
        ("frame == 5 or label == 'fear' and split == 'tset'", [("split", "tset", "test")]),
        ("not (label == 'feer' or label == 'feer')", [("label", "feer", "fear")]),
        ("label == 'fear' and split == 'val'", []),  # each occurs, never together
        ("label != 'feer' and frame == 12 and 0 < frame < 1 and label > 'zzz'", []),
        ("split == label", []),
    ],
)
def test_texts_that_no_row_has_are_named_with_the_nearest_one(where: str, unknown: list[tuple[str, str, str]]) -> None:
    assert unknown_values(where, FRAME) == unknown


def test_among_thousands_of_texts_no_nearest_one_is_sought() -> None:
    frame = pd.DataFrame({"id": [f"face-{i}" for i in range(2000)]})
    assert unknown_values("id == 'face-'", frame) == [("id", "face-", None)]


def test_the_columns_of_a_condition() -> None:
    assert names_in("frame is null or not label is not None") == {"frame", "label"}
    assert names_in("label == 'fear' and not 0 <= frame < 9 or other in ('x',)") == {"label", "frame", "other"}
    with pytest.raises(QueryError, match="cannot be read"):
        names_in("label ==")


def test_a_condition_of_too_many_comparisons_is_refused_before_rows_are_looked_at() -> None:
    with pytest.raises(QueryError, match="at most 1,000 comparisons, found 5,001"):
        names_in("split == 'a' and " * 5000 + "fold == 1")
