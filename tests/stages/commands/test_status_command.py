"""`fer-stage status`: what is not up to date, why, and commands that end it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import stages
from cache.features_root import find_store
from cache.writing.writer import StoreWriter
from pipeline.progress import silent
from stages.cli import run
from stages.requests import ExtractRequest
from stages.results import OutputStatus, StatusResult
from stages.workflows.extract_plan import plan_extract

FerStage = Callable[..., Any]
ROOT = Path(__file__).parents[3]
MASK = "runs/untrained/feature-mask/sample-a/seed-0"
SCORES = "runs/scores/untrained/feature-mask/sample-a/seed-0"
STORE = "features/untrained/sample-a.zarr"
TEXT = "features/untrained/text/kefer.npz"
KEFER = "runs/untrained/kefer/sample-a/seed-0"


def change_params(**changes: Any) -> None:
    """Blocks of params.yaml get other entries."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    for block, entries in changes.items():
        params[block] = {**params.get(block, {}), **entries} if isinstance(entries, Mapping) else entries
    Path("params.yaml").write_text(yaml.safe_dump(params))


def run_all(result: StatusResult) -> None:
    """The commands that a status names, in their order."""
    for line in (part for command in result.commands for part in command.split(" && ")):
        program, *words = shlex.split(line)
        assert program == "fer-stage"
        assert run(words) == 0, line


def pending() -> dict[str, OutputStatus]:
    return {one.output: one for one in stages.status().pending}


def scan() -> None:
    """Index a copy of a project: its files are younger than the scan of the original."""
    for name in ("sample-a", "sample-e"):
        assert run(["index", "--dataset", name]) == 0


@pytest.fixture(scope="module")
def current_project(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose outputs are all up to date: made by the commands that `status` names, from an unfinished one."""
    folder = tmp_path_factory.mktemp("status") / "project"
    shutil.copytree(finished_project, folder)
    with contextlib.chdir(folder):
        scan()
        change_params(run={"train": ["sample-a"], "methods": ["feature-mask", "kefer"]})
        before = stages.status()
        assert {one.stage for one in before.pending} == {"train", "evaluate", "report"}
        run_all(before)
        assert stages.status().pending == ()
    return folder


@pytest.fixture
def current(current_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(current_project, folder)
    monkeypatch.chdir(folder)
    scan()
    return folder


def change_label() -> None:
    path = Path("data/sample-a/labels.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if row["split"] == "train")
    row["label"] = "fear" if row["label"] != "fear" else "anger"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def interrupt_extract() -> None:
    """An extract of other precision that was stopped in its first shard."""
    change_params(extract={"dtype": "float16"})
    plan = plan_extract(ExtractRequest("sample-a"), silent)
    StoreWriter(plan.target, plan.key, plan.schema)


def flip_weights() -> None:
    path = Path(MASK, "head.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def spoil_predictions() -> None:
    next(Path(SCORES).rglob("*.parquet")).unlink()


def spoil_report() -> None:
    Path("reports/metrics.json").write_text("{}")


# What is changed -> an output, its state, and a part of the reason.
CHANGES: dict[str, tuple[Callable[[], object], str, str, str]] = {
    "a label": (change_label, "tables/sample-a.parquet", "stale", "changed since it was scanned: labels.csv"),
    "a table that is gone": (
        lambda: [path.unlink() for path in Path("tables").glob("sample-a.*")],
        "tables/sample-a.parquet",
        "missing",
        "",
    ),
    "a description of a table that is gone": (
        lambda: Path("tables/sample-a.croissant.json").unlink(),
        "tables/sample-a.parquet",
        "stale",
        "tables/sample-a.croissant.json, which is written with it, is missing",
    ),
    "options of a layout": (
        lambda: change_params(
            datasets={"sample-a": {"layout": "sample", "root": "data/sample-a", "options": {"val_fraction": 0.25}}}
        ),
        "tables/sample-a.parquet",
        "stale",
        "options.val_fraction was 0.1, is 0.25",
    ),
    "a store that is gone": (lambda: shutil.rmtree(STORE), STORE, "missing", ""),
    "the precision of features": (
        lambda: change_params(extract={"dtype": "float16"}),
        STORE,
        "stale",
        "dtype: stored in another dtype",
    ),
    "a stopped extract": (interrupt_extract, STORE, "interrupted", "0 of 1 shards are finished"),
    "prompts": (lambda: change_params(prompts="clip"), "features/untrained/text/clip.npz", "missing", ""),
    "an option of a method": (
        lambda: change_params(methods={"feature-mask": {"epochs": 2, "lambda_sep": 1.5}}),
        MASK,
        "stale",
        "config.epochs was 3, is 2",
    ),
    "a seed": (lambda: change_params(run={"seeds": [0, 1]}), MASK.replace("-0", "-1"), "missing", ""),
    "damaged weights": (flip_weights, MASK, "stale", "head.safetensors changed since the run was written"),
    "scores that are gone": (
        lambda: shutil.rmtree(SCORES),
        f"{SCORES}/scores.json",
        "missing",
        "",
    ),
    "predictions that are gone": (
        spoil_predictions,
        f"{SCORES}/scores.json",
        "stale",
        "parquet is missing, or is not of the score",
    ),
    "a page that is gone": (lambda: shutil.rmtree("reports"), "reports/index.html", "missing", ""),
    "tables of a report": (
        spoil_report,
        "reports/index.html",
        "stale",
        "other content would be written to metrics.json",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named(current: Path, change: str) -> None:
    make, output, state, reason = CHANGES[change]
    make()
    one = pending()[output]
    assert (one.state, reason in one.reason) == (state, True), one


@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=[] if name == "a label" else pytest.mark.slow) for name in CHANGES]
)
def test_the_commands_bring_all_up_to_date(current: Path, change: str) -> None:
    CHANGES[change][0]()
    run_all(stages.status())
    assert pending() == {}


def test_damaged_text_vectors_are_refused_with_what_to_do(current: Path) -> None:
    Path(TEXT).write_bytes(b"x")
    one = pending()[TEXT]
    assert (one.state, one.reason.endswith("delete it")) == ("refused", True)
    Path(TEXT).unlink()
    assert run(shlex.split(one.command)[1:]) == 0
    assert pending() == {}


def test_a_damaged_store_is_refused(current: Path) -> None:
    Path(STORE, "zarr.json").write_bytes(b"x")
    one = pending()[STORE]
    assert (one.state, bool(one.reason)) == ("refused", True)


def test_a_method_whose_output_is_missing_names_the_extract_that_adds_it(current: Path) -> None:
    change_params(run={"methods": ["baseline"]}, methods={"baseline": {"epochs": 1, "backbone": "small"}})
    one = pending()["runs/untrained/baseline/sample-a/seed-0"]
    assert one.state == "missing"
    extract, train = one.command.split(" && ")
    assert "--outputs" in extract
    assert train == "fer-stage train --method baseline --encoder untrained"


def test_what_is_made_of_something_stale_is_stale(current: Path) -> None:
    change_label()
    of_a = {name: (one.state, one.reason) for name, one in pending().items()}
    assert of_a[STORE] == ("stale", "tables/sample-a.parquet is stale")
    assert of_a[MASK] == ("stale", f"{STORE} is stale")
    assert of_a[f"{SCORES}/scores.json"] == ("stale", f"{MASK} is stale")
    assert of_a["reports/index.html"][0] == "stale"
    assert "features/untrained/sample-e.zarr" not in of_a


def test_a_score_that_lacks_a_dataset_is_stale(current: Path) -> None:
    change_params(run={"test": ["sample-e"]})
    assert pending() == {}  # scores on other datasets stay, unless --prune
    Path(SCORES, "scores.json").unlink()
    assert run(["evaluate", "--run", "runs"]) == 0
    change_params(run={"test": ["sample-a", "sample-e"]})
    assert pending()[f"{SCORES}/scores.json"].reason == "sample-a: no score"


def test_a_dataset_that_is_not_here_is_named_with_where_to_get_it(current: Path) -> None:
    change_params(
        datasets={"affectnet": {"layout": "affectnet", "root": "data/affectnet"}},
        run={"datasets": ["sample-a", "sample-e", "affectnet"]},
    )
    missing = pending()
    one = missing["data/affectnet"]
    assert (one.stage, one.state) == ("data", "missing")
    assert one.reason.startswith("not on this machine: ")
    assert "docs/datasets/affectnet.md" in one.reason
    assert one.command == "fer-stage datasets --about affectnet"
    assert missing["tables/affectnet.parquet"].reason == "data/affectnet is missing"
    assert missing["features/untrained/affectnet.zarr"].state == "missing"
    assert run(shlex.split(one.command)[1:]) == 0


def test_a_table_whose_images_are_elsewhere_is_used_as_it_is(current: Path) -> None:
    change_params(datasets={"mine": {"layout": "csv", "root": "data/mine"}})
    shutil.copytree("data/sample-e", "data/mine")
    assert run(["index", "--dataset", "mine"]) == 0
    assert pending() == {}
    shutil.rmtree("data/mine")
    result = stages.status()
    assert result.pending == ()
    assert result.notes == ("tables/mine.parquet is used as it is, as data/mine is not on this machine",)


def test_weights_that_a_network_begins_with_are_named_where_they_are_missing(current: Path) -> None:
    change_params(
        run={"methods": ["baseline"]},
        methods={"baseline": {"backbone": "small", "pretrained": "weights/x.safetensors"}},
    )
    missing = pending()
    assert missing["weights/x.safetensors"].state == "missing"
    assert missing["runs/untrained/baseline/sample-a/seed-0"].reason == "weights/x.safetensors is missing"


def test_a_drawn_dataset_is_drawn_by_the_command(current: Path) -> None:
    shutil.rmtree("data/sample-a")
    one = pending()["data/sample-a"]
    assert (one.stage, one.state, one.command) == (
        "draw",
        "missing",
        "fer-stage draw --style sample-a --out data/sample-a",
    )
    run_all(stages.status())
    assert pending() == {}


def test_another_size_of_the_sample_is_named(current: Path) -> None:
    change_params(sample={"images": 61})
    assert pending()["data/sample-a"].reason == "n was 60, is 61"


def test_faces_are_stated_where_they_are_aligned(current: Path) -> None:
    change_params(extract={"faces": "aligned", "missed": "centre"})
    one = pending()["faces/sample-a.parquet"]
    assert (one.stage, one.state, one.command) == ("align", "missing", "fer-stage align --dataset sample-a")
    assert run(shlex.split(one.command)[1:]) == 0
    assert "faces/sample-a.parquet" not in pending()
    Path("faces/sample-a.parquet").rename("faces/.sample-a.parquet.building")
    assert pending()["faces/sample-a.parquet"].state == "interrupted"


def test_exit_code_and_formats(current: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]) -> None:
    assert fer_stage("status", "--format", "json") == []
    rows = fer_stage("status", "--all", "--format", "json")
    assert {row["state"] for row in rows} == {"up to date"}
    assert [set(row) for row in rows[:1]] == [{"stage", "output", "state", "reason", "command"}]
    assert not any(row["command"] for row in rows)
    shutil.rmtree("reports")
    assert run(["status", "--format", "json"]) == 3
    captured = capsys.readouterr()
    assert [row["output"] for row in json.loads(captured.out)] == ["reports/index.html"]
    assert f"check failed: 1 of {len(rows)} outputs are not up to date: 1 missing" in captured.err


def test_the_table_joins_what_one_command_makes(current: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_params(run={"seeds": [0, 1, 2]})
    capsys.readouterr()
    assert run(["status"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "--method feature-mask" in line]) == 1
    assert f"{MASK.replace('-0', '-1')} and 1 more" in "\n".join(lines)


def test_commands_name_the_folders_of_the_request(current: Path) -> None:
    shutil.move("features", "elsewhere")
    shutil.rmtree("elsewhere/untrained/sample-a.zarr")
    commands = stages.status(features="elsewhere").commands
    assert commands[0] == "fer-stage extract --dataset sample-a --encoder untrained --features elsewhere"


def test_a_folder_that_is_no_project_is_said_to_be_none(empty: Path) -> None:
    assert "there is no params.yaml here" in stages.status().notes[0]


def test_folds_are_runs(current: Path) -> None:
    change_params(run={"folds": {"sample-a": 2}, "methods": ["feature-mask"]})
    of_folds = [name for name in pending() if "fold-" in name and not name.endswith("scores.json")]
    assert of_folds == [f"runs/untrained/feature-mask/sample-a/fold-{k}-of-2/seed-0" for k in (1, 2)]
    run_all(stages.status())
    assert pending() == {}


def test_versions_of_a_project_of_dvc_are_compared(current: Path) -> None:
    Path("dvc.yaml").write_text("stages: {}\n")
    path = Path("pipeline/versions.json")
    path.parent.mkdir()
    path.write_text((ROOT / path).read_text().replace('"cafe": 3', '"cafe": 2'))
    one = pending()["pipeline/versions.json"]
    assert (one.reason, one.command) == ("cafe was 2, is 3", "fer-stage init --versions")
    run_all(stages.status())
    assert pending() == {}


def test_nothing_is_written_and_torch_is_not_imported(current: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    code = "import sys; from stages.cli import run; print(run(['status']), 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split()[-2:] == ["0", "False"]
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_a_store_of_an_encoder_that_was_never_loaded_here_is_compared_by_its_files(
    current: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert pending() == {}
    assert find_store(Path("features"), "untrained", "sample-a").n_views() == 1
    change_params(extract={"views": 2})
    assert "views" in pending()[STORE].reason
