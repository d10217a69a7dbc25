"""One picture is the same squares of pixels to an encoder, whatever command shows it: extract, predict or query."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from drawn_dataset import BLANKS, N_IMAGES, add_pictures, index_faces
from PIL import Image

import cache
from stages.cli import run

FerStage = Callable[..., Any]
Pixels = npt.NDArray[np.uint8]
STORE = Path("features/recorder/faces.zarr")
HEAD = Path("runs/recorder/linear-probe/faces/seed-0")
SIZE = 48
EXIF_ORIENTATION, UPSIDE_DOWN = 0x0112, 3
SHOWN = [i for i in range(N_IMAGES) if i not in BLANKS]
# It writes what it is given. Mean 0 and deviation 1: its input is the pixels, divided by 255.
RECORDER = f"""
import itertools
from pathlib import Path

import torch
from torch import nn

from pipeline.images.preprocess import Preprocess


class Recorder(nn.Module):
    preprocess = Preprocess(size={SIZE}, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    def __init__(self, weights):
        super().__init__()
        self.projection = nn.Linear(3, 4)

    def forward(self, images):
        folder = Path("recorded")
        if folder.is_dir():
            path = next(p for n in itertools.count() if not (p := folder / f"{{n}}.pt").exists())
            torch.save(images.clone(), path)
        return self.projection(images.mean(dim=(2, 3)))
"""
PARAMS = """
classes: 7
encoders: {recorder: recorder.py:Recorder}
extract: {faces: aligned, margin: 0.1, dtype: float32, outputs: [pooled, pixels], pixel_size: 48}
datasets: {faces: {layout: folder, root: faces-here, options: {val_fraction: 0.4}}}
run: {samples: [], datasets: [faces], encoders: [recorder]}
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of aligned faces and a head on it; every other picture is upright by its EXIF orientation only."""
    folder = tmp_path_factory.mktemp("one-path")
    with contextlib.chdir(folder):
        Path("recorder.py").write_text(RECORDER)
        Path("params.yaml").write_text(PARAMS)
        add_pictures(0, N_IMAGES)
        for path in sorted(Path("faces-here").rglob("*.png"))[::2]:
            _turn(path)
        index_faces()
        for command in (
            "align --dataset faces --threads 1",
            "extract --dataset faces --decoders 1 --max-rejected 1",
            "train --method linear-probe --dataset faces",
        ):
            assert run([*command.split(), "--quiet"]) == 0, command
    return folder


def _turn(path: Path) -> None:
    with Image.open(path) as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_180)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = UPSIDE_DOWN
    turned.save(path, exif=exif)


@pytest.fixture
def project(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(prepared)
    return prepared


def recorded(fer_stage: FerStage, *command: str) -> set[bytes]:
    """The squares that the encoder was given by a command."""
    import torch

    folder = Path("recorded")
    folder.mkdir()
    try:
        fer_stage(*command)
        batches = [torch.load(path, weights_only=True) for path in folder.iterdir()]
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    pixels = (torch.cat(batches).permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    assert pixels.shape[1:] == (SIZE, SIZE, 3)
    return {square.tobytes() for square in pixels if square.any()}  # black ones measure the shape of the output


def test_extract_predict_and_query_encode_the_same_squares_of_a_face(project: Path, fer_stage: FerStage) -> None:
    store = cache.open(STORE)
    frame = store.frame
    rows = np.flatnonzero(frame["status"] == "ok")
    assert len(rows) == len(SHOWN)
    stored: dict[str, Pixels] = dict(zip(frame["path"][rows], store.read(rows, "pixels"), strict=True))
    assert len({pixels.tobytes() for pixels in stored.values()}) == len(SHOWN)  # else a mix-up could not be seen

    extracted = recorded(fer_stage, "extract", "--dataset", "faces", "--features", "again", "--max-rejected", "1")
    assert {pixels.tobytes() for pixels in stored.values()} <= extracted

    for path, pixels in stored.items():
        picture = str(Path("faces-here", path))
        assert recorded(fer_stage, "predict", picture, "--run", str(HEAD)) == {pixels.tobytes()}, path
        assert recorded(fer_stage, "query", str(STORE), "--near", picture) == {pixels.tobytes()}, path
