"""Hypothesis strategies: stores of any shape, with the texts that file names and messages can have."""

from __future__ import annotations

from hypothesis import strategies as st

from cache.schema import ArraySpec
from cache.testing.example import Example

__all__ = ["array_specs", "examples", "texts"]

_ODD = (
    "",
    " ",
    "a\nb",
    "a\r",
    "\t",
    "é",
    "e\u0301",
    "表情",
    "😀",
    "\u202e",
    "\ufeff",
    '"',
    "\\",
    "'",
    "nan",
    "None",
    "0",
)
_NAMES = ("pooled", "tokens", "block-11", "pixels")
_DTYPES = ("float16", "float32", "float64", "uint8", "int64")


def texts() -> st.SearchStrategy[str]:
    """What a column may hold: anything that UTF-8 can write, except the NUL that HDF5 cannot keep."""
    written = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.one_of(st.sampled_from(_ODD), st.text(written, max_size=8))


def array_specs() -> st.SearchStrategy[tuple[ArraySpec, ...]]:
    """One to three outputs with different names."""
    shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
    return st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(
            *(st.builds(ArraySpec, st.just(name), shapes, st.sampled_from(_DTYPES)) for name in names)
        )
    )


def examples() -> st.SearchStrategy[Example]:
    """Stores of one to twelve rows."""
    return st.builds(
        Example,
        n_rows=st.integers(1, 12),
        shard_rows=st.integers(1, 5),
        n_views=st.integers(1, 3),
        arrays=array_specs(),
        subjects=st.lists(texts(), min_size=1, max_size=4).map(tuple),
    )
