"""Tables and stores of frames of videos: what decoded them is part of their identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from tiny_videos import numbered_frames, write_video

from pipeline.tables.samples import SampleTable
from pipeline.video.identity import decoder_version

PARAMS = """
datasets: {acted: {layout: clips, root: data, options: {max_frames: 3}}}
encoders: {untrained: untrained}
extract: {dtype: float32}
run: {encoders: [untrained], datasets: [acted], methods: []}
"""
COMMAND = ("extract", "--dataset", "acted", "--encoder", "untrained", "--decoders", "1")


@pytest.fixture
def acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for i, label in enumerate(("happy", "sad", "happy", "sad")):
        folder = tmp_path / "data" / ("train", "test")[i // 2] / label
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{i}.mp4", numbered_frames(40)[10 * i :][:10])
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_frames_of_another_decoder_are_indexed_and_encoded_again(
    acted: Path, fer_stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage("index", "--dataset", "acted")
    first = SampleTable.read(acted / "tables/acted.parquet")
    assert first.info.video_decoder == decoder_version()
    assert fer_stage(*COMMAND, "--format", "json")["encoded"] == 12
    assert fer_stage(*COMMAND, "--format", "json")["encoded"] == 0
    provenance = json.loads((acted / "features/untrained/acted.zarr/zarr.json").read_text())
    assert decoder_version() in json.dumps(provenance)

    before = decoder_version()
    monkeypatch.setitem(av.library_versions, "libavcodec", (99, 1, 2))
    assert decoder_version() != before
    assert fer_stage(*COMMAND, "--format", "json")["encoded"] == 12
    second = SampleTable.read(acted / "tables/acted.parquet")
    assert not set(second.frame["sha256"]) & set(first.frame["sha256"])
    assert second.info.video_decoder.startswith("libavcodec 99.1.2")


def test_a_table_of_images_names_no_decoder_of_videos(project: Path) -> None:
    table = SampleTable.read(project / "tables/sample-a.parquet")
    assert table.info.video_decoder == ""
    assert b"video_decoder" not in (project / "tables/sample-a.parquet").read_bytes()
