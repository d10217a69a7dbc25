"""Remedies of errors: commands in messages are commands that fer-stage takes, and end the error."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cache.errors import CacheError, StorageError, StoreMissingError
from cache.features_root import find_store
from cache.mmap_copies import _require_room
from cache.store import open_store
from cache.testing.example import Example
from pipeline.predict.export.card import _environment
from pipeline.tables.samples import _KIND as SAMPLES
from pipeline.tables.samples import SampleTable
from stages.api import _note_remedy
from stages.errors import CheckFailedError, ParamsError, StageError, check_rejected
from stages.params import Params
from stages.remedies import _words, as_calls, as_commands, command_line, encoder_note, encoder_written, function_name
from stages.workflows.neighbors import search_vector
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
RECORD = Path("runs/untrained/feature-mask/sample-a/seed-0/run.json")


def advised(message: str) -> list[str]:
    """The words of the first command in a message."""
    return shlex.split(message.partition("`fer-stage ")[2].partition("`")[0])


def missing(**arguments: Any) -> StoreMissingError:
    """An error whose remedy is `extract` with some arguments."""
    return StoreMissingError("no store at x", remedy=[("extract", {"dataset": "x", **arguments})])


def test_a_name_that_limit_made_becomes_the_options_that_made_it() -> None:
    assert command_line("align", {"dataset": "my.first-12"}) == "fer-stage align --dataset my --limit 12"
    assert command_line("index", {"dataset": "my.first-12"}) == "fer-stage index --dataset my"
    arguments = {"dataset": "my.first-12", "encoder": "mini", "outputs": ("pooled", "tokens")}
    words = shlex.split(command_line("extract", arguments))
    assert words == [
        *("fer-stage", "extract", "--dataset", "my", "--encoder", "mini", "--outputs", "pooled,tokens"),
        *("--limit", "12"),
    ]
    assert shlex.split(command_line("evaluate", {"runs": ("a", "b"), "datasets": ("my.first-12",)}))[2:] == [
        *("--run", "a", "--run", "b", "--dataset", "my.first-12"),
    ]


def test_a_remedy_is_worded_as_a_command_and_as_a_call() -> None:
    steps = [("index", {"dataset": "it's"}), ("extract", {"dataset": "it's", "outputs": ("pooled", "tokens")})]
    error = StoreMissingError("no store", remedy=steps, purpose="to make it")
    assert as_commands(error) == (
        "no store. Run `fer-stage index --dataset 'it'\"'\"'s'`, then "
        "`fer-stage extract --dataset 'it'\"'\"'s' --outputs pooled,tokens` to make it"
    )
    assert as_calls(error).startswith('Run stages.index(dataset="it\'s"), then ')


def test_a_remedy_leaves_defaults_out() -> None:
    arguments = {"dataset": "my", "features": Path("features"), "batch_size": 64, "dry_run": False, "views": None}
    assert command_line("extract", arguments) == "fer-stage extract --dataset my"


def test_a_remedy_with_an_unknown_parameter_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        command_line("extract", {"data_set": "my"})


def test_a_remedy_names_either_option_of_a_pair() -> None:
    assert command_line("extract", {"dataset": "my", "reuse": False}) == "fer-stage extract --dataset my --no-reuse"
    assert (
        command_line("extract", {"dataset": "my", "reuse": True, "dry_run": False}) == "fer-stage extract --dataset my"
    )


def test_the_folder_of_an_encoder_is_not_passed_off_as_its_name(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({"encoders": {"clip": "mini"}, "run": {"encoders": ["clip"]}}))
    for known in ("clip", "mini", "open_clip:ViT-B-32/openai", "NAME", "<name>"):
        assert (encoder_note(missing(encoder=known), params) == "") is (known != "NAME")
    note = encoder_note(missing(encoder="open_clip-ViT-B-32-openai"), params)
    assert "open_clip-ViT-B-32-openai is the folder of that encoder: write the encoder as it was written when" in note


def test_an_error_without_an_encoder_in_its_remedy_needs_no_note(tmp_path: Path) -> None:
    assert encoder_note(missing(), tmp_path / "none") == ""
    assert encoder_note(StoreMissingError("no store"), tmp_path / "none") == ""


def test_the_note_reads_the_file_that_params_names(project: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("features/untrained/sample-e.zarr")
    command = ("evaluate", "--run", "runs", "--dataset", "sample-e")
    record = json.loads(RECORD.read_text())
    RECORD.write_text(json.dumps(record | {"encoder_named": "untrained-folder", "encoder_spec": ""}))
    assert "untrained-folder is the folder of that encoder" in fer_stage(*command, code=1)
    Path("own.yaml").write_text("encoders: {mini: mini, untrained-folder: untrained}")
    message = fer_stage(*command, "--params", "own.yaml", code=1)
    assert "untrained-folder" in message
    assert "is the folder of that encoder" not in message


def test_a_traceback_of_the_api_names_the_folder_of_an_encoder_too(tmp_path: Path) -> None:
    error = missing(encoder="untrained-folder")
    _note_remedy(error, tmp_path / "none")
    [note] = error.__notes__
    assert note.startswith(("Run stages.extract(", "Run `fer-stage extract "))
    assert "untrained-folder is the folder of that encoder" in note


def test_a_function_is_named_for_a_command_of_two_words() -> None:
    assert function_name("head export") == "export_head"
    assert function_name("store info") == "describe_store"
    assert function_name("evaluate") == "evaluate"
    assert function_name("recipes") is None  # `stages.recipes` is a package


def test_a_call_leaves_out_what_a_command_leaves_out() -> None:
    steps = [
        ("index", {"dataset": "my.first-12", "tables": Path("tables"), "root": None}),
        ("extract", {"dataset": "my.first-12", "outputs": ("pooled",), "features": Path("a b"), "dry_run": False}),
        ("evaluate", {"runs": (Path("runs"),), "datasets": (), "dry_run": False, "exclude_overlap": True}),
    ]
    error = StoreMissingError("no store", remedy=steps)
    index, evaluate = "stages.index(dataset='my')", "stages.evaluate(runs=('runs',), exclude_overlap=True)"
    assert as_calls(error).startswith(f"Run {index}, then ")
    assert as_calls(error).endswith(f", then {evaluate}")
    assert as_commands(error) == (
        "no store. Run `fer-stage index --dataset my`, then `fer-stage extract --dataset my --outputs pooled "
        "--features 'a b' --limit 12`, then `fer-stage evaluate --run runs --exclude-overlap`"
    )


def test_a_switch_is_worded_by_the_name_that_sets_its_value() -> None:
    both = click.Option(["--reuse/--no-reuse"], default=True)
    assert list(_words(both, False)) == ["--no-reuse"]
    assert list(_words(both, True)) == ["--reuse"]
    assert list(_words(click.Option(["--onnx"], is_flag=True), False)) == []


def test_a_question_ends_a_message_as_a_full_stop_does() -> None:
    error = ParamsError("no recipe x. Did you mean 'y'?", remedy=[("recipes", {})], purpose="to list them")
    assert as_commands(error) == "no recipe x. Did you mean 'y'? Run `fer-stage recipes` to list them"


def test_a_check_that_failed_words_its_remedy() -> None:
    with pytest.raises(CheckFailedError) as failed:
        check_rejected(3, 4, 0.5, "images are rejected", remedy=[("query", {"store": "a b.zarr"})])
    assert as_commands(failed.value) == (
        "3 of 4 images are rejected, more than --max-rejected 0.5. Run `fer-stage query 'a b.zarr'` to see them"
    )


def test_a_store_below_another_root_is_made_there(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("query", "elsewhere/untrained/sample-a.zarr", code=1)
    fer_stage(*advised(message), "--quiet")
    assert fer_stage("query", "elsewhere/untrained/sample-a.zarr", "--limit", "1", "--format", "json")


def test_an_output_that_a_store_lacks_is_made_by_the_command_in_the_message(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("query", "features/untrained/sample-a.zarr", "--feature", "tokens", code=1)
    fer_stage(*advised(message), "--quiet")
    assert fer_stage("query", "features/untrained/sample-a.zarr", "--feature", "tokens", "--format", "json")


@pytest.mark.parametrize("command", ["align", "extract"])
def test_an_unknown_dataset_is_made_known_by_the_command_in_the_message(
    project: Path, fer_stage: FerStage, command: str
) -> None:
    """`align` has no --layout and no --root of its own."""
    shutil.copytree("data/sample-a", "data/mine")
    message = fer_stage(command, "--dataset", "mine", code=1)
    words = advised(message)
    assert words == ["index", "--dataset", "mine", "--layout", "LAYOUT", "--root", "PATH"]
    assert "sample" in message.rpartition("its layout, one of ")[2].rstrip().split(", ")
    fer_stage(*[{"LAYOUT": "sample", "PATH": "data/mine"}.get(word, word) for word in words])
    assert fer_stage(command, "--dataset", "mine", "--dry-run", "--format", "json")


def test_an_unfinished_store_below_another_root_is_removed_by_the_command_in_the_message(
    project: Path, fer_stage: FerStage
) -> None:
    Example().begin(Path("other/mini/x.h5"), [0])
    message = fer_stage("store", "convert", "features/untrained/sample-a.zarr", "other/mini/x.h5", code=1)
    words = message.rpartition("`fer-stage ")[2].partition("`")[0].split()
    assert words == ["store", "gc", "other/mini", "--unfinished"]
    fer_stage(*words)
    fer_stage("store", "convert", "features/untrained/sample-a.zarr", "other/mini/x.h5")


# What a folder or a file may be called: a shell would take each as something else.
HOSTILE = ["my faces", "it's", 'a "b"', "$(touch owned)", "`id`", "a;b", "-rf", "a|b", "*", "$HOME", "\\"]


def words_after(message: str, start: str) -> list[str]:
    """The words of the command that ends a message."""
    return shlex.split(message.partition(start)[2])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_in_advice_comes_back_from_a_shell_as_it_was_given(
    project: Path, fer_stage: FerStage, name: str
) -> None:
    root = Path(name, "features")
    with pytest.raises(StoreMissingError) as missing:
        find_store(root, "untrained", "sample-a")
    made = ["fer-stage", "extract", "--dataset", "sample-a", "--encoder", "untrained", "--backend", "zarr"]
    command = as_commands(missing.value).partition("Run `")[2].rpartition("` to make it")[0]
    assert shlex.split(command) == [*made, "--features", str(root)]
    root.parent.mkdir()
    shutil.copytree("features", root)
    store = open_store(root / "untrained" / "sample-a.zarr")
    with pytest.raises(StageError, match="is no id") as refused:
        search_vector("no-such.png", store, "pooled", 0, pytest.fail)
    [list_ids] = refused.value.remedy
    assert shlex.split(command_line(*list_ids)) == ["fer-stage", "query", str(store.path), "--columns", "id"]
    with pytest.raises(StorageError) as full:
        _require_room(root / ".hot", 10**18)
    command = as_commands(full.value).partition("Run `")[2].rpartition("` to remove copies")[0]
    assert shlex.split(command) == ["fer-stage", "store", "gc", str(root)]
    advice = as_commands(SAMPLES.error(root / "x.parquet", "is damaged")).partition("Run `")[2]
    expected = ["fer-stage", "index", "--dataset", "x", "--tables", str(root)]
    assert shlex.split(advice.rpartition("` to index")[0]) == expected


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_elsewhere_in_advice_comes_back_as_it_was_given(name: str) -> None:
    extract = {"dataset": name, "encoder": name, "faces": "aligned", "margin": 0.1, "missed": "reject"}
    steps = [("align", {"dataset": name}), ("extract", extract)]
    align, _, then = as_commands(StageError("x", remedy=steps)).partition("`, then `")
    assert words_after(align, "Run `") == ["fer-stage", "align", "--dataset", name]
    assert shlex.split(then.removesuffix("`")) == [
        *("fer-stage", "extract", "--dataset", name, "--encoder", name, "--faces", "aligned", "--margin", "0.1"),
        *("--missed", "reject"),
    ]
    with pytest.raises(ParamsError) as refused:
        Params().dataset(f"{name}.first-3")
    assert words_after(str(refused.value), "Write ") == ["--dataset", name, "--limit", "3"]
    card = _environment().from_string("predict --encoder {{ spec|quoted }}").render(spec=f"timm:a@{name}")
    assert shlex.split(card)[-1] == f"timm:a@{name}"


@pytest.mark.parametrize("written", ["open_clip:ViT-B-32@/my weights/a.pt", "timm:a@it's;b.pth", "mini", "timm:a@$(x)"])
def test_an_encoder_in_a_remedy_is_written_as_the_option_takes_it(written: str, tmp_path: Path) -> None:
    steps = [("extract", {"dataset": "x", "encoder": name}) for name in ("some-folder", "some-folder-2")]
    with pytest.raises(CacheError) as caught, encoder_written("some-folder", written):
        raise CacheError("no store", remedy=steps)
    first, _, second = as_commands(caught.value).partition(", then ")
    assert advised(first) == ["extract", "--dataset", "x", "--encoder", written]
    assert advised(second) == ["extract", "--dataset", "x", "--encoder", "some-folder-2"]
    assert encoder_note(missing(encoder=written), tmp_path / "none") == ""


def test_a_table_of_another_dataset_is_made_by_the_command_in_the_message(project: Path, fer_stage: FerStage) -> None:
    root = "data/my $(touch owned) faces"
    Path("data/sample-e").rename(root)
    fer_stage("index", "--dataset", "mine", "--layout", "sample", "--root", root)
    table = SampleTable.read(Path("tables/mine.parquet"))
    # Of an earlier version, which did not state how it was made.
    write_table(SampleTable(table.frame, replace(table.info, reader=0, given={})), Path("tables/yours.parquet"))
    words = advised(fer_stage("align", "--dataset", "yours", code=1))
    assert words == ["index", "--dataset", "yours", "--layout", "sample", "--root", root]
    fer_stage(*words)
    assert fer_stage("align", "--dataset", "yours", "--dry-run", "--format", "json")
    Path(root).rename("data/elsewhere")
    shutil.copy("tables/yours.parquet", "tables/mine.parquet")
    assert "expected the sample table of mine, found that of yours" in fer_stage("align", "--dataset", "mine", code=1)
