import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from pipeline.datasets.drawn import DrawingProcess, draw_dataset, unfinished_drawing
from pipeline.datasets.drawn.side_by_side import sample_files

N = 24


def children():
    return [process for process in psutil.Process().children() if "side_by_side" in " ".join(process.cmdline())]


@pytest.mark.parametrize("style", ["sample-a", "sample-d", "sample-e"])
def test_bytes_do_not_depend_on_the_number_of_processes(style):
    alone = list(sample_files(style, N, seed=3, n_processes=1))
    assert list(sample_files(style, N, seed=3, n_processes=3)) == alone


def test_a_whole_folder_is_the_same(tmp_path):
    for name, n_processes in (("alone", 1), ("two", 2)):
        draw_dataset("sample-b", tmp_path / name, N, how=DrawingProcess(n_processes=n_processes))
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in (tmp_path / "alone", tmp_path / "two")
    )
    assert first == second
    assert len(first) == N + 2  # and labels.csv and sample.json


def test_images_of_a_killed_process_are_drawn_all_the_same():
    n = 60  # more than a process draws ahead of its reader: none has ended before it is killed
    alone = list(sample_files("sample-c", n, seed=0, n_processes=1))
    files = sample_files("sample-c", n, seed=0, n_processes=2)
    first = next(files)
    children()[0].kill()
    assert [first, *files] == alone


def test_processes_end_with_their_reader():
    with closing(sample_files("sample-d", 2_000, seed=0, n_processes=2)) as files:
        next(files)
        assert len(children()) == 2
    assert children() == []


def test_where_no_process_can_start_the_caller_draws(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert len(list(sample_files("sample-e", 4, seed=0, n_processes=2))) == 4


def test_a_program_without_a_guard_may_draw(tmp_path):
    """Processes of `multiprocessing` would run this program again."""
    program = tmp_path / "program.py"
    program.write_text(
        "from pathlib import Path\n"
        "from pipeline.datasets.drawn import DrawingProcess, draw_dataset\n"
        f"draw_dataset('sample-e', Path({str(tmp_path / 'drawn')!r}), {N}, how=DrawingProcess(n_processes=2))\n"
        "print('once')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "once\n"
    assert len(list((tmp_path / "drawn" / "images").iterdir())) == N


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a process group")
def test_ctrl_c_ends_all_processes_and_the_folder_is_unfinished(tmp_path):
    """A terminal sends the signal to all processes at once."""
    folder = tmp_path / "drawn"
    program = (
        "from pathlib import Path; from pipeline.datasets.drawn import DrawingProcess, draw_dataset; "
        f"draw_dataset('sample-e', Path({str(folder)!r}), 5_000, how=DrawingProcess(n_processes=2))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    with process:
        deadline = time.monotonic() + 60
        while not list(folder.glob("images/*.png")) and time.monotonic() < deadline:
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children()
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=60)[1].decode()
    assert errors.count("KeyboardInterrupt") == 1
    assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)
    assert unfinished_drawing(folder) == ("sample-e", 5_000, 0)
    assert not (folder / "sample.json").exists()
