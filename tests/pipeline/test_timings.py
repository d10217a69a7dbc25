"""Seconds add up, whoever measures them."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.timings import Timings


def test_seconds_of_a_phase_add_up_and_leave_the_others_alone() -> None:
    timings = Timings(decode=5)
    for _ in range(2):
        with timings.measure("decode"):
            time.sleep(0.02)
    assert 5.04 <= timings.decode < 6
    assert timings == Timings(decode=timings.decode)


def test_what_fails_took_its_time_too() -> None:
    timings = Timings()

    def fail() -> None:
        time.sleep(0.02)
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"), timings.measure("read"):
        fail()
    assert 0.02 <= timings.read < 1


def test_no_second_is_lost_between_threads() -> None:
    timings = Timings()

    def work(_: int) -> None:
        with timings.measure("resize"):
            time.sleep(0.001)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert timings.resize >= 0.2


def test_can_be_sent_to_another_process() -> None:
    timings = Timings(encode=1, wait=2, read=3, decode=4, resize=5)
    assert pickle.loads(pickle.dumps(timings)) == timings
