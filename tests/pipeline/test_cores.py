import os

import pytest

from pipeline.cores import n_cores, threads_each


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_are_those_of_the_process_and_not_of_the_machine():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert n_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert n_cores() == len(before)


@pytest.mark.parametrize(("n_processes", "threads"), [(1, 8), (3, 2), (8, 1), (20, 1)])
@pytest.mark.usefixtures("eight_cores")
def test_processes_share_the_cores(n_processes, threads):
    assert threads_each(n_processes) == threads


@pytest.mark.parametrize(
    ("limit", "threads"), [("1", 1), ("3", 3), ("6", 4), ("2,1", 2), ("", 4), ("0", 4), ("many", 4)]
)
@pytest.mark.usefixtures("eight_cores")
def test_openmp_s_limit_holds_for_each_process(limit, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert threads_each(2) == threads
