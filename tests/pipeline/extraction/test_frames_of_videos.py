"""Extraction of frames of videos: each video is decoded in one pass, whatever the tasks and the shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from extractions import PIXELS, cut, extraction_of, whole
from fake_encoder import FakeEncoder
from tiny_videos import numbered_frames, write_video
from video_reader import VideoReader

from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.containers import row_text
from pipeline.extraction.loader import tasks_of
from pipeline.images.reading import ImageRow
from pipeline.progress import silent
from pipeline.video.identity import frame_sha256
from pipeline.video.opening import OpenVideo

FRAMES = 60


def rows_of(videos: dict[str, int]) -> tuple[ImageRow, ...]:
    paths = [f"{name}::{row_text(i)}" for name, n_frames in videos.items() for i in range(n_frames)]
    return tuple(ImageRow(row, path, "0" * 64) for row, path in enumerate(paths))


def test_a_task_ends_with_the_frames_of_a_video() -> None:
    """32 rows reach into b, whose last one is the 90th; then c has 20 and the pictures follow."""
    images = rows_of({"a.mp4": 30, "b.mp4": 60, "c.mp4": 20})
    pictures = tuple(ImageRow(110 + i, f"{i}.png", "0" * 64) for i in range(40))
    assert [len(task) for task in tasks_of(images + pictures)] == [90, 32, 28]


def test_a_task_of_a_long_video_is_bounded() -> None:
    assert [len(task) for task in tasks_of(rows_of({"a.mp4": 700}))] == [288, 288, 124]


def test_tasks_of_pictures_are_as_they_were() -> None:
    pictures = tuple(ImageRow(i, f"x/{i}.png", "0" * 64) for i in range(70))
    shards = tuple(ImageRow(i, f"x.parquet::{i:07d}", "0" * 64) for i in range(70))
    assert [[len(task) for task in tasks_of(images)] for images in (pictures, shards)] == [[32, 32, 6]] * 2
    assert tasks_of(()) == [()]


@pytest.mark.parametrize("decoders", [1, 3])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_each_frame_is_decoded_once(
    suffix: str, decoders: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards of 25 rows cut the clip of 60 twice."""
    path = write_video(tmp_path / f"a{suffix}", numbered_frames(FRAMES), options={"g": "60"})
    packets: list[object] = []
    decode = OpenVideo.decode
    monkeypatch.setattr(OpenVideo, "decode", lambda self, packet: packets.append(packet) or decode(self, packet))
    with open_root(tmp_path) as root:
        digest = root.video(path.name).file_sha256
        images = [ImageRow(i, f"{path.name}::{row_text(i)}", frame_sha256(digest, i)) for i in range(FRAMES)]
        with extraction_of(root, FakeEncoder(), decoders=decoders) as run:
            shards = list(run.run(cut(run, images, FRAMES, 25), FRAMES, silent))
    n_decoded = sum(packet is not None for packet in packets)
    # Another thread that takes the rest of a video begins at the keyframe before it.
    assert n_decoded <= FRAMES * decoders
    assert not any(shard.rejected for shard in shards)
    to_square = FakeEncoder().preprocess.with_size(PIXELS)
    with VideoReader(path) as video:
        expected = [to_square(video.frame(i)) for i in range(FRAMES)]
    np.testing.assert_array_equal(whole(shards, "pixels")[0], expected)
