"""The `where` language: comparisons of columns with values, joined by and, or, not. No text of a user is ever run.

split == 'test' and label in ('fear', 'disgust') and not status == 'rejected'
0 <= frame < 16
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.errors import QueryError

__all__ = ["UnknownValue", "names_in", "row_mask", "unknown_values"]

EXAMPLE = "split == 'test' and label == 'fear'"

_MANY = 1000  # different values of a column; among more, such as ids, the nearest one is no hint but takes seconds

Mask = npt.NDArray[np.bool_]

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def row_mask(where: str, frame: pd.DataFrame) -> Mask:
    """For each row of `frame`, whether `where` holds; bool, shape (len(frame),).

    Raises
    ------
    QueryError
        If `where` is no expression of the language, names no column, or compares text with a number.
    """
    try:
        return _mask(_parsed(where), frame, where)
    except (RecursionError, MemoryError) as error:
        raise _too_deep(where) from error


def names_in(where: str) -> set[str]:
    """The columns that `where` names; QueryError if it cannot be read."""
    try:
        return {node.id for node in ast.walk(_parsed(where)) if isinstance(node, ast.Name)}
    except (RecursionError, MemoryError) as error:
        raise _too_deep(where) from error


class UnknownValue(NamedTuple):
    """A text that `column` was compared with and that no row has, and the nearest one that some row has."""

    column: str
    value: str
    nearest: str | None


def unknown_values(where: str, frame: pd.DataFrame) -> list[UnknownValue]:
    """Which texts after `==` or `in` never occur in their column: why a condition that `row_mask` took chose no row."""
    asked = dict.fromkeys(pair for node in ast.walk(_parsed(where)) for pair in _asked_for(node))
    return [
        UnknownValue(name, value, _nearest_text(value, frame[name]))
        for name, value in asked
        if not (frame[name] == value).any()
    ]


def _asked_for(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(column, text) of every equality in one comparison, whichever side each stands on."""
    if not isinstance(node, ast.Compare):
        return
    operands = [node.left, *node.comparators]
    for op, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True):
        for name, value in ((left, right), (right, left)) if isinstance(op, ast.Eq) else ((left, right),):
            if isinstance(op, ast.Eq | ast.In) and isinstance(name, ast.Name):
                yield from ((name.id, text) for text in _texts(value))


def _texts(node: ast.expr) -> list[str]:
    elements = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return [
        element.value for element in elements if isinstance(element, ast.Constant) and isinstance(element.value, str)
    ]


def _nearest_text(value: str, column: pd.Series[Any]) -> str | None:
    known = {str(text).casefold(): str(text) for text in column.unique()[: _MANY + 1]}
    near = difflib.get_close_matches(value.casefold(), known, n=1) if len(known) <= _MANY else []
    return known[near[0]] if near else None


def _too_deep(where: str) -> QueryError:
    return QueryError(f"--where is nested too deeply: {where[:60]!r}... Example: {EXAMPLE}")


def _parsed(where: str) -> ast.expr:
    try:
        return ast.parse(where.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        hint = " Equality is written ==." if "=" in where and "==" not in where else ""
        raise QueryError(f"--where cannot be read: {where!r}.{hint} Example: {EXAMPLE}") from error


def _mask(node: ast.expr, frame: pd.DataFrame, where: str) -> Mask:
    match node:
        case ast.BoolOp(op=op, values=values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return np.asarray(join.reduce([_mask(value, frame, where) for value in values]))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~_mask(operand, frame, where)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            operands = [_operand(side, frame, where) for side in (left, *rights)]
            steps = zip(ops, operands[:-1], operands[1:], strict=True)
            masks = [_compare(op, a, b, len(frame), where) for op, a, b in steps]
            return np.asarray(np.logical_and.reduce(masks))
        case _:
            raise QueryError(
                f"--where {where!r}: {ast.unparse(node)!r} is no condition. "
                "Expected comparisons such as label == 'fear', joined by and, or, not"
            )


def _operand(node: ast.expr, frame: pd.DataFrame, where: str) -> Any:
    match node:
        case ast.Name(id=name):
            return _column(name, frame)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return [_operand(element, frame, where) for element in elements]
        case _:
            raise QueryError(f"--where {where!r}: {ast.unparse(node)!r} is neither a column nor a value")


def _column(name: str, frame: pd.DataFrame) -> pd.Series[Any]:
    if name in frame:
        return frame[name]
    near = difflib.get_close_matches(name, list(frame.columns), n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(frame.columns)}. Text is written in quotes"
    raise QueryError(f"--where: no column {name!r}. {hint}")


def _compare(op: ast.cmpop, left: Any, right: Any, n: int, where: str) -> Mask:
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(left, pd.Series) or not isinstance(right, list):
            raise QueryError(f"--where {where!r}: `in` asks for a column and a list: label in ('fear', 'anger')")
        if any(isinstance(value, pd.Series) for value in right):
            raise QueryError(f"--where {where!r}: a list holds values, not columns")
        for value in right:
            _check_kinds(left, value, where)
        inside = left.isin(right).to_numpy()
        return ~inside if isinstance(op, ast.NotIn) else inside
    _check_kinds(left, right, where)
    if type(op) not in _COMPARE:
        raise QueryError(f"--where {where!r}: expected ==, !=, <, <=, >, >=, in or not in")
    return np.broadcast_to(np.asarray(_COMPARE[type(op)](left, right), dtype=bool), (n,))


def _check_kinds(left: Any, right: Any, where: str) -> None:
    if isinstance(left, list) or isinstance(right, list):
        raise QueryError(f"--where {where!r}: a list is compared with `in`")
    if _is_text(left) != _is_text(right):
        raise QueryError(
            f"--where {where!r}: text is compared with a number; put text in quotes and leave numbers bare"
        )


def _is_text(value: Any) -> bool:
    if isinstance(value, pd.Series):
        return not pd.api.types.is_numeric_dtype(value)
    return isinstance(value, str)
