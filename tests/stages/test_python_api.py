"""The Python API: `stages.index(...)` and its like, with the names and defaults of the options."""

from __future__ import annotations

import inspect
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import ValidationError

import stages
from cache.errors import CacheError
from stages import requests, results
from stages.cli import run
from stages.command_group import COMMANDS, cli
from stages.errors import ParamsError

OF_THE_COMMAND_LINE = {"help", "output_format", "show_all"}  # how a command prints, which a function does not


def request_of(name: str) -> Any:
    return getattr(requests, f"{name.title().replace('-', '')}Request")


def parameters_of(name: str) -> dict[str, click.Parameter]:
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
    assert command is not None
    return {
        parameter.name or "": parameter for parameter in command.params if parameter.name not in OF_THE_COMMAND_LINE
    }


API = [name for name in COMMANDS if name.replace("-", "_") in stages.__all__]


@pytest.mark.parametrize("name", API)
def test_a_function_has_the_names_of_the_options(name: str) -> None:
    assert set(inspect.signature(getattr(stages, name.replace("-", "_"))).parameters) == set(parameters_of(name))


@pytest.mark.parametrize("name", API)
def test_a_function_has_the_defaults_of_the_options(name: str) -> None:
    fields = inspect.signature(request_of(name)).parameters
    for option, parameter in parameters_of(name).items():
        default = fields[option].default
        if parameter.required:
            assert default is inspect.Parameter.empty
        elif parameter.multiple:
            assert not default or "factory" in repr(default)
        else:
            stated = parameter.to_info_dict()["default"]  # None where the option has none
            assert str(stated) == str(default), option


@pytest.mark.parametrize("name", API)
def test_help_of_a_function_explains_every_parameter(name: str) -> None:
    text = inspect.getdoc(getattr(stages, name.replace("-", "_"))) or ""
    shared = inspect.getdoc(requests) or ""
    for parameter in parameters_of(name):
        assert parameter in text or f"`{parameter}`" in shared


@pytest.mark.parametrize("name", stages.__all__)
def test_help_of_a_function_names_its_result(name: str) -> None:
    annotation = inspect.signature(getattr(stages, name)).return_annotation
    assert issubclass(getattr(results, annotation), results.Result)


def test_importing_the_api_imports_nothing_heavy() -> None:
    code = "import stages, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"torch", "zarr", "h5py", "pandas", "click"} & set(done.stdout.split())


def test_index_returns_the_table_that_the_command_writes(project: Path) -> None:
    result = stages.index("sample-a")
    assert list(result.frame["id"]) == list(stages.index("sample-a", dry_run=True).frame["id"])
    assert result.path.is_file()
    assert "<table" in result._repr_html_()


def test_datasets_are_a_frame(project: Path) -> None:
    frame = stages.datasets().frame.set_index("name")
    assert frame.loc["sample-a", ["layout", "exists", "rows", "outdated"]].tolist() == ["sample", True, 60, ""]
    assert not frame.loc["affectnet", "exists"]
    assert frame["rows"].isna()["affectnet"]


def test_wrong_arguments_are_named_all_at_once() -> None:
    with pytest.raises(ParamsError) as error:
        stages.index("sample-a", tables=3, layuot="sample")  # type: ignore[arg-type,call-arg]
    assert "tables: " in str(error.value)
    assert "layuot: unknown key. Did you mean 'layout'?" in str(error.value)


def test_a_wrong_argument_without_a_name_is_named() -> None:
    with pytest.raises(ParamsError, match=r"(?m)^  dataset: Input should be a valid string, found \['a', 'b'\]"):
        stages.extract(["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(ParamsError, match=r"(?m)^  1: Unexpected positional argument, found 'data/a'"):
        stages.index("a", "data/a")  # type: ignore[call-arg]


def test_a_path_may_be_searched_for() -> None:
    assert requests.QueryRequest("x.zarr", near=Path("photos") / "a.jpg").near == "photos/a.jpg"


def test_a_request_holds_paths_and_tuples_of_whatever_was_passed() -> None:
    passed = ["pooled", "tokens"]
    for outputs in (passed, tuple(passed), dict.fromkeys(passed).keys(), iter(passed)):
        request = requests.ExtractRequest("x", outputs=outputs, root="data", tables="t")
        assert request.outputs == ("pooled", "tokens")
        assert (request.root, request.tables) == (Path("data"), Path("t"))
    assert requests.ExtractRequest("x", outputs="pooled").outputs == ("pooled",)
    with pytest.raises(ValidationError, match="outputs"):
        requests.ExtractRequest("x", outputs={"pooled": 1, "tokens": 2})


def test_a_traceback_shows_the_remedy_as_a_call() -> None:
    with pytest.raises(ParamsError) as error:
        stages.index("nowhere")
    text = "".join(traceback.format_exception(error.value))
    assert "\nRun stages.index(dataset='nowhere', layout='LAYOUT', root='PATH') with its layout, one of " in text


def test_a_remedy_reads_the_params_file_of_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command line and in Python."""
    monkeypatch.chdir(tmp_path)
    Path("other.yaml").write_text("encoders: {own: mini}\nrun: {encoders: [own]}")
    assert run(["train", "--method", "linear-probe", "--dataset", "a", "--params", "other.yaml"]) == 1
    assert (
        capsys.readouterr()
        .err.rstrip()
        .endswith("Run `fer-stage extract --dataset a --encoder own --backend zarr --params other.yaml` to make it")
    )
    with pytest.raises(CacheError) as error:
        stages.train("linear-probe", "a", params="other.yaml")
    assert "params='other.yaml'" in "".join(error.value.__notes__)
