"""Free memory: of the machine, and of a container with a limit."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from cache.memory import free_memory


def container(folder: Path, limit: str, stat: str = "anon 1000\nfile 5000\n") -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.stat").write_text(stat)
    return folder


@pytest.mark.parametrize(("limit", "free"), [(4096, 3096), (1000, 0), (999, 0)])
def test_the_limit_of_a_container_counts_without_its_page_cache(tmp_path: Path, limit: int, free: int) -> None:
    assert free_memory(container(tmp_path, str(limit))) == free


@pytest.mark.parametrize("limit", ["max", "", str(2**62)])
def test_without_a_limit_it_is_that_of_the_machine(tmp_path: Path, limit: str) -> None:
    total = psutil.virtual_memory().total
    assert total // 1000 < free_memory(container(tmp_path, limit)) < total
    assert total // 1000 < free_memory(tmp_path / "no-container") < total


def test_a_container_that_does_not_say_what_it_uses_has_no_limit(tmp_path: Path) -> None:
    assert free_memory(container(tmp_path, "4096", "file 5000\n")) > 4096
