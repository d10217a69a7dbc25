"""Workers of a local cluster share the cores, within OMP_NUM_THREADS."""

import pytest

from stages.workflows.cluster import threads_each


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(("workers", "threads"), [(1, 8), (3, 2), (8, 1), (20, 1)])
@pytest.mark.usefixtures("eight_cores")
def test_workers_share_the_cores(workers, threads):
    assert threads_each(workers) == threads


@pytest.mark.parametrize(
    ("limit", "threads"), [("1", 1), ("3", 3), ("6", 4), ("2,1", 2), ("", 4), ("0", 4), ("many", 4)]
)
@pytest.mark.usefixtures("eight_cores")
def test_openmp_s_limit_holds_for_each_worker(limit, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert threads_each(2) == threads
