"""The `where` language: comparisons of columns with values, joined by and, or, not. No text of a user is ever run.

split == 'test' and label in ('fear', 'disgust') and not status == 'rejected'
0 <= frame < 16
fold is not null

A number that is missing (NaN; -1 in `frame` and `fold`) meets no comparison and no negation of one, as in SQL:
`is null` finds it. A text is never missing: where nothing is known it is empty, which `is null` finds too.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.errors import QueryError
from cache.schema import MISSING_INTEGERS

__all__ = ["UnknownValue", "names_in", "row_mask", "unknown_values"]

EXAMPLE = "split == 'test' and label == 'fear'"
_MAX_COMPARISONS = 1000  # of a condition; each looks at every row, and a list of ids is one

_MANY = 1000  # different values of a column; among more, such as ids, the nearest text takes seconds and is no hint

Mask = npt.NDArray[np.bool_]

_NULLS = ("null", "None")
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class _Truth(NamedTuple):
    """For each row whether a condition holds, and whether it does not; neither where a number in it is missing."""

    holds: Mask
    fails: Mask


def row_mask(where: str, frame: pd.DataFrame) -> Mask:
    """For each row of `frame`, whether `where` holds; bool, shape (len(frame),).

    Raises
    ------
    QueryError
        If `where` is no expression of the language, names no column, or compares text with a number.
    """
    try:
        return _truth(_parsed(where), frame, where).holds
    except (RecursionError, MemoryError) as error:
        raise _too_deep(where) from error


def names_in(where: str) -> set[str]:
    """The columns that `where` names; QueryError if it cannot be read."""
    try:
        parsed = _parsed(where)
        nulls = {id(right) for node in ast.walk(parsed) for right in _nulls_in(node)}
        return {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name) and id(node) not in nulls}
    except (RecursionError, MemoryError) as error:
        raise _too_deep(where) from error


class UnknownValue(NamedTuple):
    """A text that `column` was compared with and that no row has, and the nearest text that a row has."""

    column: str
    value: str
    nearest: str | None


def unknown_values(where: str, frame: pd.DataFrame) -> list[UnknownValue]:
    """Texts after `==` or `in` that never occur in their column: why a valid condition selects no row."""
    pairs = dict.fromkeys(pair for node in ast.walk(_parsed(where)) for pair in _equalities_in(node))
    return [
        UnknownValue(name, value, _nearest_text(value, frame[name]))
        for name, value in pairs
        if not (frame[name] == value).any()
    ]


def _equalities_in(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(column, text) of every equality in one comparison, whichever side each is on."""
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
    similar = _closest(value.casefold(), known) if len(known) <= _MANY else None
    return known[similar] if similar else None


def _closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelt most like `name`; None if none is similar."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def _too_deep(where: str) -> QueryError:
    return QueryError(f"where is nested too deeply: {where[:60]!r}... Example: {EXAMPLE}")


def _parsed(where: str) -> ast.expr:
    try:
        parsed = ast.parse(where.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        hint = " Equality is written ==." if "=" in where and "==" not in where else ""
        raise QueryError(f"where cannot be read: {where!r}.{hint} Example: {EXAMPLE}") from error
    n = sum(isinstance(node, ast.Compare) for node in ast.walk(parsed))
    if n > _MAX_COMPARISONS:
        raise QueryError(f"where: expected at most {_MAX_COMPARISONS:,} comparisons, found {n:,}. Write: id in (...)")
    return parsed


def _truth(node: ast.expr, frame: pd.DataFrame, where: str) -> _Truth:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = [_truth(value, frame, where) for value in values]
            every, some = np.logical_and.reduce, np.logical_or.reduce
            join, other = (every, some) if isinstance(op, ast.And) else (some, every)
            return _Truth(join([part.holds for part in parts]), other([part.fails for part in parts]))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _Truth(*reversed(_truth(operand, frame, where)))
        case ast.Compare(ops=[ast.Is() | ast.IsNot() as op], left=left, comparators=[right]):
            missing = _is_null(left, right, frame, where)
            return _Truth(missing, ~missing) if isinstance(op, ast.Is) else _Truth(~missing, missing)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            operands = [_operand(side, frame, where) for side in (left, *rights)]
            steps = list(zip(ops, operands[:-1], operands[1:], strict=True))
            parts = [_compare(op, a, b, len(frame), where) for op, a, b in steps]
            holds, fails = [part.holds for part in parts], [part.fails for part in parts]
            return _Truth(np.logical_and.reduce(holds), np.logical_or.reduce(fails))
        case _:
            raise QueryError(
                f"where {where!r}: {ast.unparse(node)!r} is no condition. "
                "Expected comparisons such as label == 'fear', joined by and, or, not"
            )


def _nulls_in(node: ast.AST) -> list[ast.expr]:
    """The `null` of `column is null`: written as a name is, but no column."""
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot):
        return [right for right in node.comparators if ast.unparse(right) in _NULLS]
    return []


def _is_null(left: ast.expr, right: ast.expr, frame: pd.DataFrame, where: str) -> Mask:
    """For each row whether `left is null` holds."""
    if ast.unparse(right) not in _NULLS or not isinstance(left, ast.Name):
        raise QueryError(
            f"where {where!r}: `is` compares with null only (frame is null, frame is not null); "
            "between values expected ==, !=, <, <=, >, >=, in or not in"
        )
    column = _column(left.id, frame)
    return (column == "").to_numpy(dtype=bool) if _is_text(column) else ~_known(column, len(frame))


def _known(value: Any, n: int) -> Mask:
    """For each of `n` rows whether the operand has a value there."""
    if not isinstance(value, pd.Series) or _is_text(value):
        return np.ones(n, bool)
    known = value.notna().to_numpy(dtype=bool)
    missing = MISSING_INTEGERS.get(str(value.name))
    return known if missing is None else known & (value != missing).to_numpy(dtype=bool)


def _operand(node: ast.expr, frame: pd.DataFrame, where: str) -> Any:
    match node:
        case ast.Name(id=name) if name not in _NULLS or name in frame:
            return _column(name, frame)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return [_operand(element, frame, where) for element in elements]
        case _:
            hint = ". A missing value is written: frame is null" if ast.unparse(node) in _NULLS else ""
            raise QueryError(f"where {where!r}: {ast.unparse(node)!r} is neither a column nor a value{hint}")


def _column(name: str, frame: pd.DataFrame) -> pd.Series[Any]:
    if name in frame:
        return frame[name]
    similar, known = _closest(name, frame.columns), f"Known: {', '.join(frame.columns)}. Text is written in quotes"
    hint = f"Did you mean {similar!r}?" if similar else known
    raise QueryError(f"where: no column {name!r}. {hint}")


def _compare(op: ast.cmpop, left: Any, right: Any, n: int, where: str) -> _Truth:
    if isinstance(op, ast.In | ast.NotIn):
        return _member(op, left, right, where)
    _check_kinds(left, right, where)
    if type(op) not in _COMPARE:
        raise QueryError(f"where {where!r}: expected ==, !=, <, <=, >, >=, in or not in")
    if isinstance(op, ast.Eq | ast.NotEq):
        for column, value in ((left, right), (right, left)):
            _refuse_missing(column, value, where)
    holds = np.broadcast_to(np.asarray(_COMPARE[type(op)](left, right), dtype=bool), (n,))
    known = _known(left, n) & _known(right, n)
    return _Truth(holds & known, ~holds & known)


def _member(op: ast.cmpop, left: Any, right: Any, where: str) -> _Truth:
    if not isinstance(left, pd.Series) or not isinstance(right, list):
        raise QueryError(
            f"where {where!r}: `in` needs a column and a list: label in ('fear', 'anger'), or ('fear',) of one"
        )
    if any(isinstance(value, pd.Series) for value in right):
        raise QueryError(f"where {where!r}: a list holds values, not columns")
    for value in right:
        _check_kinds(left, value, where)
        _refuse_missing(left, value, where)
    inside, known = left.isin(right).to_numpy(dtype=bool), _known(left, len(left))
    truth = _Truth(inside & known, ~inside & known)
    return truth if isinstance(op, ast.In) else _Truth(truth.fails, truth.holds)


def _refuse_missing(column: Any, value: Any, where: str) -> None:
    """Refuse the value that is stored where a number is missing: no row would match it, without any error."""
    if isinstance(column, pd.Series) and not isinstance(value, pd.Series):
        missing = MISSING_INTEGERS.get(str(column.name))
        if missing is not None and value == missing:
            raise QueryError(
                f"where {where!r}: no row has the {column.name} {missing}: rows without one are those with "
                f"`{column.name} is null`"
            )


def _check_kinds(left: Any, right: Any, where: str) -> None:
    if isinstance(left, list) or isinstance(right, list):
        raise QueryError(f"where {where!r}: a list is compared with `in`")
    if _is_text(left) != _is_text(right):
        raise QueryError(f"where {where!r}: text is compared with a number; put text in quotes and leave numbers bare")


def _is_text(value: Any) -> bool:
    if isinstance(value, pd.Series):
        return not pd.api.types.is_numeric_dtype(value)
    return isinstance(value, str)
