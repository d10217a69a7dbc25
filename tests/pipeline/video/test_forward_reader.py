"""A video read forward: numbers, times, and why it is not whole."""

from __future__ import annotations

import gc
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from tiny_videos import number_of, numbered_frames, remux, write_video
from video_reader import VideoReader

from pipeline.video.stream import ForwardReader


def sampled(path: Path, every_s: float) -> tuple[list[tuple[int, float, int]], str]:
    """Number, time and what is shown of each frame that is taken, and the fault."""
    with closing(ForwardReader(path)) as video:
        taken = [(one.number, round(one.seconds, 3), number_of(one.pixels)) for one in video.sampled(every_s)]
        return taken, video.fault()


def test_the_first_frame_at_or_after_each_time_is_taken(tmp_path: Path) -> None:
    times = [5.0, 5.1, 5.5, 5.52, 6.0, 6.7]
    path = write_video(tmp_path / "a.mp4", numbered_frames(6), times_s=times)
    assert sampled(path, 0.5) == ([(0, 0.0, 0), (2, 0.5, 2), (4, 1.0, 4), (5, 1.7, 5)], "")


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm", ".flv"])
def test_every_frame_is_that_of_its_number(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{suffix}", numbered_frames(30))
    with closing(ForwardReader(path)) as forward, VideoReader(path) as video:
        for one in forward.sampled(0):
            np.testing.assert_array_equal(one.pixels, video.frame(one.number))
        assert forward.n_frames == video.n_frames == 30


def test_a_frame_is_freed_when_it_is_dropped_not_at_the_next_garbage_collection(tmp_path: Path) -> None:
    """`fer-stage` lets Python collect garbage rarely: an hour of video would fill the memory before."""
    path = write_video(tmp_path / "a.mp4", numbered_frames(20))
    gc.collect()
    gc.disable()
    try:
        assert len(sampled(path, 0)[0]) == 20
        assert not any(type(one) is VideoFrame for one in gc.get_objects())
    finally:
        gc.enable()


def test_damaged_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", numbered_frames(30), options={"g": "10"}, muxer={"movflags": "faststart"})
    data = whole.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 8 // 10])
    taken, fault = sampled(tmp_path / "cut.mp4", 0)
    assert 5 < len(taken) < 30
    assert all(number == shown for number, _, shown in taken)
    assert fault == "video is damaged: 1 of its frames could not be decoded"


def test_a_last_frame_that_is_shown_for_long_is_no_early_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slides.mp4", numbered_frames(4), rate=Fraction(1, 5))
    assert sampled(path, 0) == ([(0, 0.0, 0), (1, 5.0, 1), (2, 10.0, 2), (3, 15.0, 3)], "")


def test_frames_of_avi_are_at_the_times_of_their_packets_where_frames_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", numbered_frames(5), times_s=[0.0, 0.04, 0.2, 7.0, 7.04])
    assert sampled(path, 0) == ([(0, 0.0, 0), (1, 0.04, 1), (2, 0.2, 2), (3, 7.0, 3), (4, 7.04, 4)], "")


def test_times_never_decrease(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mkv", numbered_frames(6), codec="mpeg4", rate=10)
    false = remux(whole, tmp_path / "false.mkv", lambda packet, i: setattr(packet, "pts", packet.pts + 250 * (i == 2)))
    taken, _ = sampled(false, 0)
    assert [seconds for _, seconds, _ in taken] == [0.0, 0.1, 0.45, 0.45, 0.45, 0.5]
