"""Threads of `extract` have one heap: others return what is freed, and every batch has it faulted in again."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

# Of a dataset that nobody has: by then everything is imported, and the libraries' threads have started.
EXTRACT = """
import ctypes, sys
from concurrent.futures import ThreadPoolExecutor
from stages.cli import main

try:
    main(["extract", "--dataset", "nobody-has-it"])
except SystemExit as ended:
    code = ended.code
with ThreadPoolExecutor(1) as thread:
    thread.submit(bytearray, 100_000).result()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
sys.exit(code)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc")
def test_the_threads_of_extract_have_one_heap(tmp_path: Path) -> None:
    run = [sys.executable, "-c", EXTRACT]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert '<heap nr="0">' in done.stdout
    assert '<heap nr="1">' not in done.stdout
