import threading
import time

import numpy as np
import pytest

from pipeline.learning.concurrency import concurrently, n_side_by_side, raise_if_stopped
from pipeline.progress import CombinedProgress, Progress


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


def simulated(durations, n_cores, *, rule=n_side_by_side):
    """When the last task ends, and how many run at once at most, where all that run share the cores evenly."""
    waiting, running, time_s, most = list(durations), [], 0.0, 0
    while waiting or running:
        while waiting and len(running) < rule(len(waiting) + len(running), n_cores):
            running.append(waiting.pop(0))
        most = max(most, len(running))
        speed, step = min(1.0, n_cores / len(running)), min(running)
        time_s += step / speed
        running = [left - step for left in running if left > step]
    return time_s, most


@pytest.mark.parametrize("n_cores", [2, 3, 8, 64])
def test_equal_tasks_use_all_cores_until_the_last_one_ends(n_cores):
    for n in range(n_cores, 5 * n_cores):
        seconds, most = simulated([1.0] * n, n_cores)
        assert seconds == pytest.approx(n / n_cores)
        assert most < 2 * n_cores


def test_five_heads_on_two_cores_take_five_sixths_of_two_by_two():
    two_by_two = simulated([1.0] * 5, 2, rule=lambda n_unfinished, n_threads: n_threads)
    assert (simulated([1.0] * 5, 2), two_by_two) == ((2.5, 3), (3.0, 2))


def test_tasks_of_different_lengths_end_earlier_than_two_by_two():
    """On average: no rule that does not know the lengths is never worse."""
    rng, ratios = np.random.default_rng(0), []
    for _ in range(200):
        durations = rng.uniform(0.5, 1.5, size=rng.integers(2, 12)).tolist()
        two_by_two = simulated(durations, 2, rule=lambda n_unfinished, n_threads: n_threads)
        ratios.append(simulated(durations, 2)[0] / two_by_two[0])
    assert np.mean(ratios) < 0.97, np.mean(ratios)
    assert max(ratios) < 1.25


@pytest.mark.parametrize(("n", "n_threads", "at_once"), [(5, 2, [2, 3]), (3, 2, [3]), (8, 3, [3, 5])])
def test_the_last_tasks_begin_together(n, n_threads, at_once):

    rounds = [threading.Barrier(size) for size in at_once]
    barriers = [barrier for barrier, size in zip(rounds, at_once, strict=True) for _ in range(size)]
    lock, running, most = threading.Lock(), 0, 0

    def task(i, on_progress):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barriers[i].wait(timeout=10)
        with lock:
            running -= 1
        return i

    done = concurrently([lambda on_progress, i=i: task(i, on_progress) for i in range(n)], lambda p: None, n_threads)
    assert sorted(done) == list(range(n))
    assert most <= 2 * n_threads - 1


def test_parts_of_different_length_never_have_more_done_than_there_is() -> None:
    """Of three parts the first has 10 steps, which is taken for the others; with the second, of 20, two have 30, and
    three 45; with the third, of 3, all have 33.
    """
    steps: list[tuple[int, int]] = []
    combined = CombinedProgress(3, lambda step: steps.append((step.done, step.total)))
    for i, n in enumerate((10, 20, 3)):
        for done in range(1, n + 1):
            combined.of(i)(Progress("train", done, n))
    assert [steps[i] for i in (0, 9, 10, 29, 30, 32)] == [(1, 30), (10, 30), (11, 45), (30, 45), (31, 33), (33, 33)]
    assert all(done <= total for done, total in steps)


def test_a_part_whose_length_is_not_known_leaves_the_sum_unknown() -> None:
    steps: list[int] = []
    combined = CombinedProgress(2, lambda step: steps.append(step.total))
    combined.of(0)(Progress("train", 1, 5))
    combined.of(1)(Progress("train", 1, 0))
    assert steps == [10, 0]
