"""Every command line of README and docs, on a small project: it is understood, and it works as it is printed.

What replaces licensed data and downloaded weights, and what is not run and why, is in `documented`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from documented import (
    NOT_RUN,
    PAGES,
    ROOT,
    command_lines,
    inline_commands,
    put_datasets,
    python_files,
    reason,
    substituted,
)
from PIL import Image
from videos import write_video

from pipeline.datasets.drawn import draw_face, sample_specs
from stages.cli import run
from stages.command_group import cli

# Of methods that take long, what makes them short; the tests of the methods say what they learn.
_FAST: dict[str, Any] = {
    "baseline": {"backbone": "small", "epochs": 1},
    "cafe": {"backbone": "small", "epochs": 1},
    "cliper": {"input": "pixels", "epochs": 1},
    "cocoop": {"epochs": 1, "batch_size": 32},
    "coop": {"epochs": 1},
    "eac": {"backbone": "small", "epochs": 1},
    "feature-mask": {"epochs": 2},
    "fine-tune": {"input": "pixels", "epochs": 1},
    "kefer": {"epochs": 1},
    "linear-probe": {"refinements": 0},
    "metd": {"epochs": 1},
    "rul": {"backbone": "small", "epochs": 1},
    "scn": {"backbone": "small", "epochs": 1},
    "temporal-attention": {"epochs": 1},
    "temporal-transformer": {"epochs": 1, "layers": 1, "hidden": 32},
    "token-mask": {"epochs": 1},
}
_PARAMS = {
    "datasets": {"ferplus": {"layout": "ferplus", "root": "data/fer2013.tar.gz"}},
    "encoders": {"clip": "untrained", "mini": "mini"},
    "methods": _FAST,
    "sample": {"clips": 70},
    "run": {"datasets": ["affectnet", "raf-db", "ferplus"], "encoders": ["clip"]},
}
_ALL_OUTPUTS = "pooled,tokens,pixels,block-2"

# What a page presumes, before its own commands.
_BEFORE = {
    "README.md": [
        "encode-text --encoder clip",
        "encode-text --encoder mini",
        f"extract --dataset raf-db --encoder clip --outputs {_ALL_OUTPUTS}",
        f"extract --dataset affectnet --encoder clip --outputs {_ALL_OUTPUTS}",
        f"extract --dataset ferplus --encoder clip --outputs {_ALL_OUTPUTS}",
        "extract --dataset ferplus --encoder untrained",
    ],
    "docs/audit.md": [
        "extract --dataset ferplus --encoder mini",
        "train --method linear-probe --dataset ferplus --encoder mini",
    ],
    "docs/browse.md": [
        "extract --dataset affectnet --encoder clip",
        "extract --dataset raf-db --encoder clip",
        "extract --dataset ferplus --encoder clip",
        "train --method linear-probe --dataset affectnet --encoder clip",
    ],
    "docs/extending.md": [
        "draw --style sample-a --images 60",
        "index --dataset sample-a",
        "extract --dataset sample-a --encoder mini",
    ],
    "docs/heads.md": [
        "extract --dataset ferplus --encoder mini",
        "train --method linear-probe --dataset ferplus --encoder mini",
    ],
    "docs/paper-figures.md": [
        "extract --dataset ferplus --encoder mini",
        "train --method linear-probe --dataset ferplus --encoder mini",
        "evaluate --run runs --dataset ferplus",
    ],
    "docs/papers.md": [
        "extract --dataset raf-db --encoder mini",
        "train --method linear-probe --dataset raf-db --encoder mini",
        "evaluate --run runs --dataset raf-db",
    ],
    "docs/predict.md": [
        "extract --dataset ferplus --encoder mini",
        "encode-text --encoder mini",
        "train --method kefer --dataset ferplus --encoder mini",
    ],
    "docs/recipes.md": ["extract --dataset affectnet --encoder clip --outputs pooled,pixels"],
    "docs/texts.md": ["extract --dataset raf-db --encoder clip --outputs pooled,pixels"],
    "examples/embedded-encoder/README.md": ["extract --dataset ferplus --encoder mini"],
    "examples/faces/README.md": [
        "extract --dataset muxspace --encoder mini --outputs pooled,tokens,pixels",
        "extract --dataset muxspace --encoder lite0 --outputs pooled,tokens,pixels",
    ],
}
# Whether small datasets of drawn people have near-duplicates is no promise of a page, nor whether all is up to date.
_CODES = {"audit": (0, 3), "status": (0, 3)}
_PROMPTED = ("cliper", "cocoop", "coop", "kefer", "metd")  # their pages presume the prompts of the default set


@pytest.mark.parametrize("page", PAGES)
def test_every_documented_command_is_understood(page: str) -> None:
    """Names of commands and options, and required ones: nothing is run."""
    for line in command_lines(page):
        words = substituted(line)
        if words[0] != "fer-stage":
            continue
        command: click.Command = cli
        context, rest = click.Context(cli, info_name="fer-stage"), words[1:]
        while isinstance(command, click.Group):
            name, command, rest = command.resolve_command(context, rest)
            context = click.Context(command, context, info_name=name)
        with command.make_context(context.info_name, list(rest), parent=context.parent):
            pass


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_running_text_are_understood_or_are_in_a_fence_where_they_are_run(page: str) -> None:
    fenced = [line for other in PAGES for line in command_lines(other)]
    for line in inline_commands(page):
        program, *words = line.split()
        if program == "dvc":
            assert not any("=" in word for word in words) or line in fenced, line
            continue
        command: click.Command | None = cli
        while isinstance(command, click.Group) and words:
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert [word for word in words if word.startswith("--") and word not in known] == [], line


def test_commands_are_found_in_pages_and_in_their_text() -> None:
    """Else the tests above would hold for pages that they cannot read."""
    assert sum(1 for page in PAGES for _ in command_lines(page)) > 50
    assert sum(1 for page in PAGES for _ in inline_commands(page)) > 20


def test_what_is_not_run_is_still_documented() -> None:
    """A reason for a command that no page has any more goes."""
    lines = [line.replace("'", "") for page in PAGES for line in command_lines(page)]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []


def _pictures(folder: Path) -> None:
    """What the pages call photo.jpg, photos/, talk.mp4, clips/, 2026-*/ and my/face.jpg."""
    faces = [
        Image.fromarray(draw_face(spec, "sample-e")).resize((160, 160)) for spec in sample_specs("sample-e", 60, 4)[:4]
    ]
    for name in ("photo.jpg", "photos/a.jpg", "photos/day/b.jpg", "2026-05/party/c.jpg", "my/face.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        faces[0].save(folder / name)
    (folder / "clips").mkdir(exist_ok=True)
    for video in ("talk.mp4", "clips/a.mp4"):
        write_video(folder / video, faces * 5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with small datasets at the paths of README, and pictures to predict."""
    folder = tmp_path_factory.mktemp("documented") / "project"
    put_datasets(folder / "data")
    _pictures(folder)
    (folder / "params.yaml").write_text(yaml.safe_dump(_PARAMS))
    return folder


def _params_of(page: str) -> dict[str, Any]:
    """The parameters of an example, with encoders that need no file and methods that are short."""
    path = ROOT / Path(page).parent / "params.yaml"
    if not path.is_file() or page == "README.md":
        return _PARAMS
    params: dict[str, Any] = yaml.safe_load(path.read_text())
    return params | {
        "encoders": {"mini": "mini", "lite0": "untrained"},
        "methods": _FAST,
        "run": params["run"] | {"encoders": ["mini"], "methods": ["linear-probe"]},
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(True for _ in command_lines(page))])
def test_every_documented_command_works(
    page: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(yaml.safe_dump(_params_of(page)))
    for name, source in python_files(page).items():
        Path(name).write_text(source)
    before = [f"fer-stage {line}" for line in _BEFORE.get(page, ())]
    if Path(page).stem in _PROMPTED:
        before.append("fer-stage encode-text --encoder untrained")
    for line in (*before, *command_lines(page)):
        if line.startswith(("dvc ", "git ")) or reason(page, line):
            continue  # test_documented_graph runs those of DVC and git
        assert line.startswith("fer-stage "), line
        code = run(substituted(line)[1:])
        assert code in _CODES.get(line.split()[1], (0,)), f"{page}: {line}\n{capsys.readouterr().err}"
