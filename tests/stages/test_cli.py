"""The command group: help is light, errors become exit codes, README knows every command and option."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from stages.cli import run
from stages.command_group import COMMANDS
from stages.commands.head import SUBCOMMANDS as HEAD_COMMANDS
from stages.commands.store import SUBCOMMANDS as STORE_COMMANDS

README = Path(__file__).parents[2] / "README.md"
NAMES = [*COMMANDS, *(f"store {name}" for name in STORE_COMMANDS), *(f"head {name}" for name in HEAD_COMMANDS)]
HEAVY = ("torch", "zarr", "h5py", "open_clip", "pandas", "sklearn")


def _command(name: str) -> click.Command:
    module = ".".join(["stages", "commands", *name.replace("-", "_").split()])
    command: click.Command = importlib.import_module(module).command
    return command


def test_help_imports_nothing_heavy() -> None:
    """One process for all: what the first command imports would be seen after each that follows."""
    calls = [["--help"], *([*name.split(), "--help"] for name in NAMES)]
    code = (
        "import sys; from stages.cli import run\n"
        f"for call in {calls!r}:\n"
        "    assert run(call) == 0\n"
        f"    assert not (heavy := set(sys.modules) & set({HEAVY!r})), (call, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: fer-stage") == len(calls)


WAIT_POLICY = "import contextlib, stages.cli\nwith contextlib.suppress(SystemExit): stages.cli.main([])\nimport torch"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what GNU's OpenMP prints")
@pytest.mark.parametrize(
    ("chosen", "policy", "spins"),
    [({}, "PASSIVE", "0"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE", None), ({"GOMP_SPINCOUNT": "7"}, None, "7")],
)
def test_threads_of_torch_sleep_at_a_barrier_unless_the_user_says_how_they_wait(
    chosen: dict[str, str], policy: str | None, spins: str | None
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"OMP_DISPLAY_ENV": "verbose", **chosen}
    done = subprocess.run(
        [sys.executable, "-c", WAIT_POLICY], env=environment, capture_output=True, text=True, check=True
    )
    assert policy is None or f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
    assert spins is None or f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


@pytest.mark.parametrize(("chosen", "timeout"), [({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_idle_threads_of_numpy_sleep_unless_the_user_says_how_long_they_wait(
    chosen: dict[str, str], timeout: str
) -> None:
    code = (
        "import atexit, os, sys; atexit.register(lambda: print(os.environ['OPENBLAS_THREAD_TIMEOUT'])); "
        "import stages.cli; assert 'numpy' not in sys.modules; stages.cli.main(['--help'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"} | chosen
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == timeout


GARBAGE = "import atexit, gc; atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 0)); "


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import stages.cli; stages.cli.main(['code', '--help'])", "50000 True"),
        ("import stages; stages.datasets()", "700 False"),
    ],
)
def test_the_program_collects_garbage_less_often_and_the_python_api_leaves_it_to_its_caller(
    code: str, found: str, project: Path
) -> None:
    run = [sys.executable, "-c", f"import gc; gc.set_threshold(700); {GARBAGE}{code}"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == found


@pytest.mark.parametrize("name", ["report", "predict", "train"])
def test_knowing_the_metrics_imports_neither_scipy_nor_sklearn(name: str) -> None:
    code = f"import sys, stages.workflows.{name}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pipeline.learning.metrics" in done.stdout.split()
    assert not {"scipy", "sklearn"} & set(done.stdout.split())


def test_predict_imports_neither_pandas_nor_zarr() -> None:
    code = (
        "import sys, stages.commands.predict, stages.requests, stages.running, stages.workflows.predict; "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"pandas", "pyarrow", "zarr", "h5py", "dask", "matplotlib"} & set(done.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_listed_command_exists_and_explains_each_option(name: str) -> None:
    command = _command(name)
    assert command.name == name.split()[-1]
    assert command.help
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))


@pytest.mark.parametrize("name", NAMES)
def test_readme_knows_every_command_and_option(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    command = _command(name)
    assert f"`fer-stage {name}" in text
    names = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    options = [name for name in names if name.startswith("--")]
    assert [option for option in options if f"`{option}" not in text] == []


def test_unknown_command_is_usage_and_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["extrat"]) == 2
    assert "Did you mean 'extract'?" in capsys.readouterr().err


def test_an_unknown_verb_is_usage_and_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["store", "verif"]) == 2
    assert "Did you mean 'verify'? See fer-stage store --help" in capsys.readouterr().err


def test_unknown_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["index", "--datset", "x"]) == 2
    assert "--dataset" in capsys.readouterr().err


def test_a_known_error_is_one_message_without_traceback(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["index", "--dataset", "ferplus"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stages.workflows.datasets.load_params", interrupted)
    assert run(["datasets"]) == 130
    assert "align and extract resume there" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["index", "--dataset=a"], ["store", "ls", "--format", "csv"]])
def test_an_option_of_one_value_is_refused_when_it_is_given_twice(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*args, "--dataset=b" if args[0] == "index" else "--format=json"]) == 2
    option, command = ("--dataset", "index") if args[0] == "index" else ("--format", "ls")
    assert f"expected {option} once, found it 2 times, and {command} uses one value" in capsys.readouterr().err


def test_an_option_of_many_values_may_be_repeated(tmp_path: Path) -> None:
    table = ["--layout=imagefolder", f"--root={tmp_path}", "--option=splits=test", "--option=splits=test"]
    assert run(["index", "--dataset=a", *table, f"--tables={tmp_path}"]) != 2
