"""What reads a features root while another process removes part of it: tried at every call of the system."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cache.places.lock import lock_path
from cache.testing.example import Example
from cache.upkeep.candidates import candidates_below
from cache.upkeep.cleanup import Policy, References, clean_up, decide
from cache.upkeep.inventory import COMPLETE, INCOMPLETE, statuses_below
from cache.writing.unfinished import building_folder

EVERYTHING = Policy(unfinished=True, references=References(names={"root/stays": "a test"}))
EXAMPLE = Example()
N_MOMENTS = 30  # of all at which the system is asked for a file; gc asks some hundred times
ASKS = {"lstat", "stat", "scandir", "listdir", "open", "rename", "unlink", "rmdir"}


def store(gone: Path) -> Path:
    EXAMPLE.write(gone)
    return gone


def building(gone: Path) -> Path:
    EXAMPLE.begin(gone, range(1))
    return building_folder(gone)


def swept(gone: Path) -> Path:
    return store(gone).rename(gone.with_name(f".{gone.name}.swept"))


def replaced(gone: Path) -> Path:
    old = store(gone).rename(gone.with_name(f".{gone.name}.replaced"))
    store(gone)  # the new one: an old one alone is not removed
    return old


def lock(gone: Path) -> Path:
    lock_path(gone).touch()
    return lock_path(gone)


def partial(gone: Path) -> Path:
    file = gone.with_name(f".{gone.name}.01234567.partial")
    file.touch()
    os.utime(file, (0, 0))
    return file


def statuses(root: Path) -> None:
    """List the stores: that which stays is complete, that which goes is as it was, or is not there any more."""
    states = {status.path.stem: status.state for status in statuses_below(root)}
    assert states.pop("stays") == COMPLETE
    assert set(states.items()) <= {("gone", COMPLETE), ("gone", INCOMPLETE)}


def garbage(root: Path) -> None:
    """Remove all but the store that stays."""
    clean_up([decision for one in candidates_below(root) if (decision := decide(one, EVERYTHING))], EVERYTHING)
    assert [path.name for path in root.iterdir()] == ["stays.h5"]


@contextmanager
def before_ask(number: int, act: Callable[[], object]) -> Iterator[list[int]]:
    """Do something just before this process asks the system for the n-th time. Yields how often it asked."""
    asked = [0]

    def count(_frame: object, event: str, function: Any) -> None:
        if event == "c_call" and getattr(function, "__name__", None) in ASKS:
            asked[0] += 1
            if asked[0] == number:
                act()

    sys.setprofile(count)
    try:
        yield asked
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
@pytest.mark.parametrize("make", [store, building, swept, replaced, lock, partial])
@pytest.mark.parametrize("read", [statuses, garbage])
def test_what_another_process_removes_meanwhile_is_no_error(
    read: Callable[[Path], None], make: Callable[[Path], Path], suffix: str, tmp_path: Path
) -> None:
    full = tmp_path / "full" / "root"
    EXAMPLE.write(full / "stays.h5")
    name = make(full / f"gone.{suffix}").name

    def with_removal(number: int) -> int:
        root, away = tmp_path / str(number) / "root", tmp_path / str(number) / "away"
        shutil.copytree(full, root)
        with before_ask(number, lambda: (root / name).exists() and (root / name).rename(away)) as asked:
            read(root)
        assert asked[0] >= number
        return asked[0]

    n_asked = with_removal(0)
    for number in range(1, n_asked + 1, max(1, n_asked // N_MOMENTS)):
        with_removal(number)
