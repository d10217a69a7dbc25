"""params.yaml that may come from elsewhere: an error that names file and field, or what it says is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mutations import mutations

from pipeline.errors import ConfigError
from pipeline.methods import config_class, method_names
from stages.cli import run
from stages.errors import ParamsError
from stages.params import Params, load_params, parse_method, parse_params
from stages.recipes import load_recipe, recipe_options
from stages.workflows.sweep import parse_grid
from stages.yaml_files import parse_options

ROOT = Path(__file__).parents[2]
FILES = ["params.yaml", *(f"examples/{name}/params.yaml" for name in ("methods", "faces", "embedded-encoder"))]
LONGEST_S = 20.0
LONGEST_MESSAGE = 6000


def used(params: Params) -> None:
    """All that commands ask of params.yaml."""
    for name in {*params.datasets, *params.run.datasets, *params.run.train}:
        params.dataset(name)
    for name in {*params.encoders, *params.run.encoders}:
        params.encoder(name)
    for name in {*params.methods, *params.run.methods}:
        params.method(name)
    params.templates(params.prompts)


def message_of(data: Any) -> str:
    """What is wrong with the file or missing in it; empty if every part of it can be used."""
    try:
        used(parse_params(data, "my/params.yaml"))
    except ParamsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", FILES)
def test_a_changed_value_is_named_or_can_be_used(name: str) -> None:
    document = yaml.safe_load((ROOT / name).read_text())
    assert message_of(document) == ""
    for what, changed in mutations(document):
        start = time.monotonic()
        message = message_of(changed)
        assert time.monotonic() - start < LONGEST_S, what
        field = next(part for part in reversed(what.split(" ")[0].split(".")) if not part.lstrip("-").isdigit())
        assert message == "" or ("params.yaml" in message and field.rstrip("s") in message), (what, message)
        assert len(message) < LONGEST_MESSAGE, what


@pytest.mark.parametrize("name", FILES[:2])
def test_a_change_of_a_few_fields_is_the_same_read_from_the_file(tmp_path: Path, name: str) -> None:
    document, path = yaml.safe_load((ROOT / name).read_text()), tmp_path / "params.yaml"
    for i, (_, changed) in enumerate(mutations(document)):
        if i % 40 == 0:
            path.write_text(yaml.safe_dump(changed))
            try:
                used(load_params(path))
                message = ""
            except ParamsError as error:
                message = str(error)
            assert (message != "") is (message_of(changed) != "")
            assert message == "" or str(path) in message


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "a: b: c",
        "{[1]: 2}",
        "{{a: 1}: 2}",
        "x: 2024-99-99",
        "x: !!python/object/apply:os.getcwd []",
        "x: !!timestamp x",
        "- 1",
        "1",
        "text",
        "classes: 0b",
        "datasets: {1: {layout: folder}}",
        "? {}",
        "seeds: " + "9" * 5000,
        'datasets: {"a\\0b": {layout: folder}}',
        'datasets: {a: {layout: folder, root: "x\\0"}}',
        "datasets: {a: {layout: folder, options: {1: 2}}}",
        'prompt_sets: {a: ["[CLS] \\x1b[8m"]}',
        "\ufffe",
    ],
)
def test_yaml_that_is_no_mapping_of_ours_is_refused_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match="params"):
        load_params(path)


def test_what_is_no_small_file_is_no_params_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with path.open("wb") as file:
        file.truncate(2**33)  # sparse: takes no disk
    with pytest.raises(ParamsError, match="at most 262,144 bytes, found 8,590 MB"):
        load_params(path)
    with pytest.raises(ParamsError, match="found a folder"):
        load_params(tmp_path)
    with pytest.raises(ParamsError, match="found no regular file"):
        load_params(Path("/dev/null"))


def test_more_runs_than_can_be_listed_are_refused() -> None:
    run_block = {"seeds": list(range(100_001))}
    assert "run: expected at most 100,000 combinations" in message_of({"run": run_block})


def test_all_texts_with_control_characters_are_found_also_behind_an_alias() -> None:
    shared = {"layout": "folder", "root": "a\x00"}
    message = message_of({"datasets": {"a": shared, "b": shared}, "prompts": "\x1b[8m"})
    assert "datasets.b.root: 'a\\x00'" in message or "datasets.a.root: 'a\\x00'" in message
    assert "prompts: '\\x1b[8m'" in message


def values() -> Iterator[Any]:
    for _, changed in mutations({"value": "plain"}):
        if "value" in changed:
            yield changed["value"]


@pytest.mark.parametrize("method", method_names())
def test_an_option_of_a_method_is_refused_by_name_or_can_be_used(method: str) -> None:
    for option in config_class(method).model_fields:
        for value in values():
            try:
                config = parse_method(method, {option: value})
            except ParamsError as error:
                message = str(error)
                assert f"methods.{method}" in message
                assert option in message, (option, value, message)
                assert len(message) < LONGEST_MESSAGE
            else:
                assert parse_method(method, config.model_dump()) == config


@pytest.mark.parametrize("text", ["[", "2024-99-99", "{[1]: 2}", "a: b: c", "9" * 5000, "!!python/name:os.x"])
def test_a_value_of_an_option_that_is_no_yaml_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(ParamsError, match="--option"):
        parse_options([f"lr={text}"])
    with pytest.raises(ParamsError, match="--grid"):
        parse_grid([f"lr={text.replace(',', '')}"])


def test_a_recipe_that_does_not_exist_is_refused_by_its_field() -> None:
    for value in values():
        if value == "":
            continue  # none
        message = message_of({"methods": {"cafe": {"recipe": value}}})
        assert "my/params.yaml" in message
        assert "recipe" in message or "control characters" in message
        with pytest.raises(ParamsError, match="unknown recipe"):
            load_recipe(value)
        with pytest.raises(ParamsError, match="unknown recipe"):
            recipe_options(value, "cafe")


def test_templates_of_a_name_that_is_no_set_are_refused() -> None:
    for value in ("", "../../outside", "x"):
        with pytest.raises(ConfigError, match="prompts: expected one of"):
            Params().templates(value)


COMMANDS = [
    ("datasets",),
    ("index", "--dataset", "faces", "--dry-run"),
    ("draw", "--style", "sample-a", "--dry-run"),
    ("extract", "--dataset", "faces", "--dry-run"),
    ("align", "--dataset", "faces", "--dry-run"),
    ("train", "--method", "linear-probe", "--dataset", "faces", "--dry-run"),
    ("evaluate", "--run", "default", "--dry-run"),
    ("encode-text", "--dry-run"),
]
CHANGES = [
    {"classes": 10**400},
    {"run": {"datasets": [None]}},
    {"encoders": {"mini": "\x00"}},
    {"methods": {"linear-probe": {"patience": 10**12}}},
    {"extract": {"outputs": ["$(touch owned)"]}},
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_whole_commands_end_with_the_file_and_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for change in CHANGES:
        Path("params.yaml").write_text(yaml.safe_dump(change))
        assert run(list(command)) == 1
        error = capsys.readouterr().err
        assert "params.yaml" in error
        assert next(iter(change)) in error
        assert "a bug of fer-stage" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
