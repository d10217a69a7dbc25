"""Drawn clips from .mp4 files to scores: each frame is encoded once, whatever is trained on it afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

import stages
from pipeline.datasets.drawn import draw_dataset

SAMPLE = "sample-video-e"
HEADS = ("linear-probe", "temporal-attention")
FOLDS, FRAMES = 5, (1, 4, 16)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_five_folds_three_frame_counts_and_two_heads_encode_nothing(empty: Path) -> None:
    """35 clips of five people, as many as there are folds. Without the videos no frame could be encoded again."""
    root = empty / "data" / SAMPLE
    draw_dataset(SAMPLE, root, 35)
    methods = {"linear-probe": {"refinements": 0}, "temporal-attention": {"epochs": 1}}
    Path("params.yaml").write_text(yaml.safe_dump({"methods": methods}))
    first = stages.extract(SAMPLE, encoder="untrained", quiet=True)
    assert (first.n_encoded, first.n_reused, first.n_rejected) == (35 * 24, 0, 0)
    again = stages.extract(SAMPLE, encoder="untrained", quiet=True)
    assert (again.n_encoded, again.n_reused) == (0, 35 * 24)
    store = contents(Path("features"))
    shutil.rmtree(root)
    for head in HEADS:
        result = stages.train(head, SAMPLE, encoder="untrained", folds=FOLDS, grid={"clip_frames": FRAMES}, seeds=[0])
        assert len(result.runs) == FOLDS * len(FRAMES)
    scores = stages.evaluate("runs", datasets=[SAMPLE]).scores
    assert len(scores) == len(HEADS) * FOLDS * len(FRAMES)
    assert {(score["unit"], score["n"]) for score in scores} == {("clip", 7)}
    assert contents(Path("features")) == store
