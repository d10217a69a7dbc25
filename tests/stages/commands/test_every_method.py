"""Every method through the commands, on a store that keeps all outputs, with the options of examples/methods."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.methods import config_class, method_names
from stages.cli import run

FerStage = Callable[..., Any]
EXAMPLE = Path(__file__).parents[3] / "examples" / "methods"


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's project with fewer images, one epoch of each method, and an encoder that is as small as can be."""
    folder = tmp_path_factory.mktemp("methods")
    params = yaml.safe_load((EXAMPLE / "params.yaml").read_text())
    params["sample"]["images"] = 60
    params["encoders"], params["run"]["encoders"] = {"untrained": "untrained"}, ["untrained"]
    for options in params["methods"].values():
        options.update({"epochs": 1} if "epochs" in options else {})
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with contextlib.chdir(folder):
        for dataset in ("sample-a", "sample-b"):
            assert run(["extract", "--dataset", dataset, "--decoders", "1"]) == 0
        assert run(["encode-text"]) == 0
    return folder


# Those that read the frames of clips refuse images: tests/pipeline/methods/temporal.
OF_IMAGES = [name for name in method_names() if "frames" not in config_class(name)().reads]


def test_the_example_has_every_method_of_images() -> None:
    params = yaml.safe_load((EXAMPLE / "params.yaml").read_text())
    assert set(params["run"]["methods"]) == set(params["methods"]) == set(OF_IMAGES)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_method_is_trained_and_scored_by_the_commands(
    name: str, everything: Path, fer_stage: FerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(everything)
    trained = fer_stage("train", "--method", name, "--dataset", "sample-a", "--format", "json")
    assert trained["path"] == f"runs/untrained/{name}/sample-a/seed-0"
    scores = fer_stage("evaluate", "--run", trained["path"], "--format", "json")
    assert [(score["dataset"], score["seen"], score["n"]) for score in scores] == [
        ("sample-a", True, 10),
        ("sample-b", False, 10),
    ]
