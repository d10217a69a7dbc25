"""torch's libraries are loaded ahead only where torch will be imported, and torch finds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stages.preloading import preload_torch, preload_torch_unless

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries are preloaded on Linux")
LOADED = "print('/libtorch_cpu.so' in open('/proc/self/maps').read(), 'torch' in sys.modules)"


def output_of(code: str, folder: Path) -> str:
    run = [sys.executable, "-c", f"import sys; from stages.preloading import *; {code}"]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@LINUX
def test_libraries_are_loaded_without_torch_and_torch_works_with_them(tmp_path: Path) -> None:
    code = f"preload_torch().join(); {LOADED}; import torch; print(float(torch.ones(3, 3).matmul(torch.ones(3)).sum()))"
    assert output_of(code, tmp_path) == "True False\n9.0"


@LINUX
def test_a_thread_that_loads_is_waited_for_when_the_program_ends(tmp_path: Path) -> None:
    assert output_of("preload_torch(); print(1)", tmp_path) == "1"


def test_nothing_is_loaded_where_torch_is_imported_already() -> None:
    import torch  # noqa: F401

    assert preload_torch() is None


@pytest.mark.parametrize(("names", "loads"), [(["no"], True), (["no", "neither"], True), (["no", "there"], False)])
@LINUX
def test_a_command_whose_output_exists_loads_nothing_ahead(names: list[str], loads: bool, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    code = f"import threading, pathlib; preload_torch_unless(*map(pathlib.Path, {names!r})); "
    assert output_of(f"{code} print(threading.active_count() > 1)", tmp_path) == str(loads)


def test_nothing_is_loaded_for_an_address_in_a_bucket() -> None:
    preload_torch_unless("s3://bucket/features")
