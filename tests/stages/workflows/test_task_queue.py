"""The order in which a cluster gets the tasks of an extract."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.workflows.cluster import TaskQueue
from stages.workflows.shards import RowCopies, ShardTask

ROWS = np.arange(1)


def task(number: int, sources: tuple[int, ...] = ()) -> ShardTask:
    copies = tuple(RowCopies(source, ROWS, ROWS, range(1)) for source in sources)
    return ShardTask(number, range(number, number + 1), (), (), {}, copies)


@st.composite
def graphs(draw: st.DrawFn) -> list[ShardTask]:
    """Tasks that repeat rows of any shards before them, of shards that are finished already, or of their own."""
    numbers = draw(st.lists(st.integers(0, 30), unique=True, max_size=20).map(sorted))
    return [task(n, tuple(draw(st.lists(st.integers(0, n), max_size=3)))) for n in numbers]


@given(graphs(), st.integers(1, 5), st.randoms())
def test_every_task_comes_once_and_never_before_its_sources(tasks: list[ShardTask], room: int, order: object) -> None:
    queue, in_work, done = TaskQueue(iter(tasks)), list[ShardTask](), list[int]()
    numbers = {one.number for one in tasks}
    while True:
        while len(in_work) < room and (ready := queue.next_ready()):
            assert not ready.sources & numbers - set(done)
            in_work.append(ready)
        if not in_work:
            break
        finished = in_work.pop(order.randrange(len(in_work)))  # type: ignore[attr-defined]  # of `st.randoms`
        done.append(finished.number)
        queue.finish(finished.number)
    assert sorted(done) == sorted(numbers)


def test_independent_tasks_come_in_their_order_and_are_read_as_they_are_needed() -> None:
    n_read = 0

    def tasks() -> Iterator[ShardTask]:
        nonlocal n_read
        for number in itertools.count():
            n_read += 1
            yield task(number)

    queue = TaskQueue(tasks())
    assert [ready.number for _ in range(5) if (ready := queue.next_ready())] == [0, 1, 2, 3, 4]
    assert n_read == 5


def test_tasks_that_wait_for_one_shard_are_not_all_held_in_memory() -> None:
    n_read = 0

    def tasks() -> Iterator[ShardTask]:
        nonlocal n_read
        for number in itertools.count():
            n_read += 1
            yield task(number, (0,) if number else ())

    queue = TaskQueue(tasks())
    assert queue.next_ready() is not None
    assert queue.next_ready() is None
    assert n_read <= 1001
    queue.finish(0)
    assert (ready := queue.next_ready())
    assert ready.number == 1
