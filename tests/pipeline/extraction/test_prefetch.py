"""The next item is made while the last one is used: that one, and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from extractions import helpers, wait_until

from pipeline.extraction.prefetch import prefetch


def counted(made: list[int], n: int) -> Iterator[int]:
    for i in range(n):
        made.append(threading.get_ident())
        yield i


def test_items_come_in_order_from_one_other_thread() -> None:
    made: list[int] = []
    assert list(prefetch(counted(made, 50))) == list(range(50))
    assert len(set(made)) == 1
    assert made[0] != threading.get_ident()
    assert helpers() == []


def test_one_is_made_in_advance_and_no_more() -> None:
    made: list[int] = []
    items = prefetch(counted(made, 9))
    for i, item in enumerate(items):
        assert item == i
        wait_until(lambda taken=i: len(made) >= min(taken + 2, 9))  # type: ignore[misc]  # a default binds the number
        time.sleep(0.01)  # for one more, if it were made
        assert len(made) == min(i + 2, 9)


def test_an_error_comes_in_its_turn() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("broken")

    items = prefetch(failing())
    assert next(items) == 1
    with pytest.raises(OSError, match="broken"):
        next(items)
    assert helpers() == []


def test_stop_is_called_before_the_thread_is_waited_for() -> None:
    stopped = threading.Event()

    def until_stopped() -> Iterator[int]:
        yield 1
        assert stopped.wait(10)

    items = prefetch(until_stopped(), stopped.set)
    next(items)
    items.close()
    assert helpers() == []


def test_nothing_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []
    prefetch(counted(made, 9)).close()
    assert made == []
