import threading
import time

import pytest

from pipeline.learning.concurrency import concurrently, raise_if_stopped
from pipeline.progress import Progress


def tasks(n, barrier=None):
    def task(i, on_progress):
        if barrier:
            barrier.wait(timeout=10)
        on_progress(Progress("train", 1, 2))
        on_progress(Progress("train", 2, 2))
        return i

    return [lambda on_progress, i=i: task(i, on_progress) for i in range(n)]


def test_one_thread_works_in_order():
    assert list(concurrently(tasks(4), lambda progress: None, 1)) == [0, 1, 2, 3]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_all_tasks_are_one_piece_of_work(n_threads):
    """Three tasks of two steps: six steps, reported one by one, whichever task takes them."""
    heard = []
    list(concurrently(tasks(3), heard.append, n_threads))
    assert [(progress.done, progress.total) for progress in heard] == [(step, 6) for step in range(1, 7)]


def test_threads_work_at_once_and_every_result_comes():
    """Each task waits until both have begun."""
    assert sorted(concurrently(tasks(2, threading.Barrier(2)), lambda progress: None, 2)) == [0, 1]


def test_an_error_is_raised_and_ends_the_others_at_their_next_progress():
    begun, ended = threading.Event(), threading.Event()

    def fails(on_progress):
        begun.wait(timeout=10)
        raise ValueError("one of them")

    def goes_on(on_progress):
        try:
            while True:
                on_progress(Progress("train", 1, 0))
                begun.set()
        finally:
            ended.set()

    with pytest.raises(ValueError, match="one of them"):
        list(concurrently([fails, goes_on], lambda progress: None, 2))
    assert ended.wait(timeout=10)


def test_whoever_stops_listening_stops_the_tasks():
    """By an error in the first call: the task that made no such call ends, too."""
    both, ended, heard, patience = threading.Barrier(2), [], [], time.monotonic() + 10

    def stops(progress):
        heard.append(progress)
        if len(heard) == 1:
            raise KeyboardInterrupt

    def goes_on(on_progress):
        both.wait(timeout=10)
        try:
            while time.monotonic() < patience:
                on_progress(Progress("train", 1, 0))
        finally:
            ended.append(time.monotonic() < patience)

    with pytest.raises(KeyboardInterrupt):
        list(concurrently([goes_on, goes_on], stops, 2))
    assert ended == [True, True]


def test_a_long_step_of_the_work_is_ended_without_progress():
    """Between two reports of progress an image network trains for minutes."""
    begun, ended, patience = threading.Event(), [], time.monotonic() + 10

    def trains(on_progress):
        begun.set()
        try:
            while time.monotonic() < patience:
                raise_if_stopped()
        finally:
            ended.append(time.monotonic() < patience)

    def finishes(on_progress):
        begun.wait(timeout=10)

    results = concurrently([trains, finishes], lambda progress: None, 2)
    next(results)
    results.close()
    assert ended == [True]
    raise_if_stopped()  # of no task: nothing happens
