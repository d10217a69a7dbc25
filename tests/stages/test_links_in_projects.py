"""A project from elsewhere holds links to files and folders of its user: no command writes through one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cache.testing.raw import tree_bytes
from stages.cli import run

RUN = "runs/untrained/feature-mask/sample-a/seed-0"
TRAIN = ("train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "epochs=1")
EVALUATE = ("evaluate", "--run", RUN, "--dataset", "sample-a")
STORE = "features/untrained/sample-a.zarr"
# A folder that a link may stand for, and the command that writes into it.
LEADING_OUT = [
    ("data/sample-b", ("draw", "--style", "sample-b", "--images", "60")),
    ("tables", ("index", "--dataset", "sample-a")),
    ("tables", ("audit", "sample-a")),
    ("audits", ("audit", "sample-a", "--kinds", "bytes")),
    ("shown", ("audit", "sample-a", "--contact-sheet", "shown/pairs.png")),
    ("shown", ("audit", "sample-a", "--pairs", "shown/pairs.csv")),
    ("faces", ("align", "--dataset", "sample-a", "--limit", "2", "--max-rejected", "1")),
    ("features", ("extract", "--dataset", "sample-a", "--limit", "2")),
    ("features/untrained", ("extract", "--dataset", "sample-a", "--limit", "2")),
    ("features/untrained/text", ("encode-text", "--prompts", "clip")),
    ("runs", TRAIN),
    (RUN, TRAIN),
    ("runs/scores", EVALUATE),
    ("runs/scores/untrained/feature-mask", EVALUATE),
    ("reports", ("report",)),
    ("exported", ("head", "export", "--run", RUN, "--out", "exported/head")),
    ("shown", ("predict", "data/sample-a/images", "--annotate", "shown/here")),
    ("converted", ("store", "convert", STORE, "converted/a.h5")),
    ("exported", ("store", "export", STORE, "--output", "exported/a.parquet")),
    ("exported", ("query", STORE, "--output", "exported/a.npy")),
    ("features/untrained", ("store", "pin", STORE)),
]
# Hidden names that no writer may open through a link: those of today and of earlier versions.
PLANTED = [
    ("tables/.sample-a.parquet.partial", ("index", "--dataset", "sample-a")),
    ("tables/sample-a.pixels.parquet", ("audit", "sample-a")),
    ("audits/sample-a.parquet", ("audit", "sample-a", "--kinds", "bytes")),
    ("features/untrained/.sample-a.zarr.lock", ("extract", "--dataset", "sample-a", "--drop-outputs", "--views", "2")),
    ("features/untrained/.sample-a.zarr.building", ("extract", "--dataset", "sample-a", "--views", "2")),
    ("features/untrained/text/.clip.npz.partial", ("encode-text", "--prompts", "clip")),
    (f"{RUN}/.run.json.partial", TRAIN),
    (f"{RUN}/../.seed-0.lock", TRAIN),
    (f"{RUN}/head.safetensors", TRAIN),
    ("runs/scores/untrained/feature-mask/sample-a/seed-0/.scores.json.partial", EVALUATE),
    ("runs/scores/untrained/feature-mask/sample-a/seed-0/.scores.json.lock", EVALUATE),
    ("reports/.index.html.partial", ("report",)),
    ("reports/index.html", ("report",)),
    ("out/.head.building", ("head", "export", "--run", RUN, "--out", "out/head")),
    ("out/.head.partial", ("head", "export", "--run", RUN, "--out", "out/head")),
    ("out/.head.lock", ("head", "export", "--run", RUN, "--out", "out/head")),
    ("features/untrained/.sample-a.zarr.pin", ("store", "pin", STORE)),
]


@pytest.mark.parametrize(("folder", "command"), LEADING_OUT, ids=[f"{c[0]} {f}" for f, c in LEADING_OUT])
def test_a_folder_that_leads_out_of_the_project_is_refused_by_name(
    project: Path, capsys: pytest.CaptureFixture[str], folder: str, command: tuple[str, ...]
) -> None:
    outside, place = project.parent / "outside", Path(folder)
    if place.exists():
        shutil.move(place, outside)
    else:
        outside.mkdir()
        place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    before = tree_bytes(outside)
    assert run(list(command)) == 1
    message = capsys.readouterr().err
    assert f"{folder} is a link to {outside.resolve()}" in message
    assert "--follow-links" in message
    assert tree_bytes(outside) == before


def test_follow_links_writes_through_the_users_own_links(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move("tables", project.parent / "outside")
    Path("tables").symlink_to(project.parent / "outside")
    index = ["index", "--dataset", "sample-a"]
    assert run([*index, "--follow-links"]) == 0
    assert run(index) == 1
    monkeypatch.setenv("FER_STAGE_FOLLOW_LINKS", "1")
    assert run(index) == 0
    assert Path("tables").is_symlink()


def test_a_root_named_by_its_whole_path_may_be_a_link(project: Path) -> None:
    shutil.move("tables", project.parent / "outside")
    (project.parent / "disk").symlink_to(project.parent / "outside")
    assert run(["index", "--dataset", "sample-a", "--tables", str(project.parent / "disk")]) == 0


@pytest.mark.parametrize(("name", "command"), PLANTED, ids=[name for name, _ in PLANTED])
def test_a_planted_link_is_never_written_through(project: Path, name: str, command: tuple[str, ...]) -> None:
    for victim, kind in ((project.parent / "victim", "file"), (project.parent / "victims", "folder")):
        if kind == "file":
            victim.write_text("precious")
        else:
            victim.mkdir()
            (victim / "plan.json").write_text("precious")
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            path.unlink()
        path.symlink_to(victim)
        run(list(command))
        kept = victim if kind == "file" else victim / "plan.json"
        assert kept.read_text() == "precious"
        assert not [found for found in project.parent.iterdir() if found.name.startswith(".")]


def test_prune_removes_a_link_and_not_the_run_behind_it(project: Path) -> None:
    elsewhere = project.parent / "elsewhere"
    shutil.copytree(RUN, elsewhere)
    before = tree_bytes(elsewhere)
    Path(RUN).with_name("seed-9").symlink_to(elsewhere)
    assert run([*TRAIN, "--prune"]) == 0
    assert not os.path.lexists(Path(RUN).with_name("seed-9"))
    assert tree_bytes(elsewhere) == before
