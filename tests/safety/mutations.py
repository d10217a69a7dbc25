"""Every single change of a JSON document, for tests of what reads files from elsewhere."""

from __future__ import annotations

import copy
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["SECONDS", "mutations", "within_time"]

SECONDS = 20  # that reading a changed file may take

# What a field may hold after a change: another type, an impossible number, text for a path, a terminal or a shell.
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**12, 10**400, 1.5, float("nan"), float("inf"),
    "", "x", "../../outside", "\x1b[8mhidden", "$(touch owned)", "\u0000", [], [None], {}, {"x": 1},
)  # fmt: skip
_ENDS = 2  # items of a list that are changed: the first and the last


def mutations(document: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every document that differs from `document` in one field, which is missing or holds another value.

    Parameters
    ----------
    document : what `json.loads` returns; not changed
    where : path of the document, before that of the field

    Yields
    ------
    The path of the field and its new value as text, such as `schema.n_rows = -1`, and a changed copy.
    """
    for path in _paths(document):
        name = where + ".".join(map(str, path))
        yield f"{name} is missing", _changed(document, path, delete=True)
        for value in _VALUES:
            if (type(value), value) != (type(old := _at(document, path)), old):
                yield f"{name} = {value!r:.40}", _changed(document, path, value)


def _paths(document: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(document, dict):
        fields: list[tuple[str | int, Any]] = list(document.items())
    elif isinstance(document, list):
        fields = list(enumerate(document)) if len(document) <= _ENDS else [(0, document[0]), (-1, document[-1])]
    else:
        return
    for name, value in fields:
        yield (*above, name)
        yield from _paths(value, (*above, name))


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        document = document[name]
    return document


def _changed(document: Any, path: tuple[str | int, ...], value: Any = None, *, delete: bool = False) -> Any:
    changed = copy.deepcopy(document)
    parent = _at(changed, path[:-1])
    if delete:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


@contextmanager
def within_time() -> Iterator[None]:
    """TimeoutError if the block, such as a reader that waits for a pipe, is not done in time."""

    def late(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
