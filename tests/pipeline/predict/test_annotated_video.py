"""Copies of videos with labels: whole or absent, of the same length and rate, upright, with their sound."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from videos import RATE, every, turned_on_showing, write_video

from cache.atomic import write_first_free
from pipeline.errors import InputError
from pipeline.predict.annotated_video import TRACK_COLOURS, write_annotated
from pipeline.predict.lazy_images import VideoFile
from pipeline.predict.prediction import FACE, Prediction
from pipeline.predict.tracked_video import VideoTrace

SIZE = (360, 320)
GREY = (90, 90, 90)


def trace_of(path: Path, boxes: dict[int, list[tuple[float, Any]]], interval_s: float = 1.0) -> VideoTrace:
    """Of a video that was read: with one prediction for each track."""
    video = VideoFile(path, every(interval_s))
    assert list(video.frames())
    rows = [
        (
            track,
            Prediction(
                str(path),
                FACE,
                expression="anger",
                probabilities={"anger": 1.0},
                track=track,
                start_s=0.0,
                end_s=2.0,
                n_frames=1,
            ),
        )
        for track in boxes
    ]
    return VideoTrace(video, boxes, rows)


def pictures_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def plain(n: int = 2 * RATE, size: tuple[int, int] = SIZE) -> list[Image.Image]:
    return [Image.new("RGB", size, GREY)] * n


def is_drawn(picture: np.ndarray, x: int, y: int, track: int = 0) -> bool:
    """Whether a pixel has the colour of a track, or nearly: videos have half the resolution of colours."""
    near = picture[y - 2 : y + 3, x - 2 : x + 3].astype(int).reshape(-1, 3)
    return bool((np.abs(near - TRACK_COLOURS[track]).max(axis=1) < 60).any())


def test_boxes_move_between_the_frames_that_were_read(tmp_path: Path) -> None:
    """The left edge is at 40 at first and at 140 a second later: at 90 in between."""
    video = write_video(tmp_path / "a.mp4", plain())
    boxes = {0: [(0.0, (40.0, 100.0, 100.0, 100.0)), (1.0, (140.0, 100.0, 100.0, 100.0))]}
    assert write_annotated(trace_of(video, boxes), tmp_path / "b.mp4") == ""
    pictures = pictures_of(tmp_path / "b.mp4")
    assert len(pictures) == 2 * RATE
    assert pictures[0].shape == (320, 360, 3)
    for frame, left in ((0, 40), (5, 90), (10, 140)):
        assert is_drawn(pictures[frame], left, 150), frame
        assert not is_drawn(pictures[frame], left - 20, 150), frame
    assert is_drawn(pictures[14], 140, 150)  # half a second after it was seen last
    assert not is_drawn(pictures[18], 140, 150)
    np.testing.assert_allclose(pictures[19][10, 10], GREY, atol=3)


def test_between_two_people_in_one_place_the_nearer_in_time_is_shown(tmp_path: Path) -> None:
    """A cut between 0.4 s and 0.8 s, when frames were read: one person has a box up to 0.6 s, then the other."""
    video = write_video(tmp_path / "a.mp4", plain())
    boxes = {
        0: [(0.0, (40.0, 100.0, 100.0, 100.0)), (0.4, (40.0, 100.0, 100.0, 100.0))],
        1: [(0.8, (70.0, 100.0, 100.0, 100.0)), (1.2, (70.0, 100.0, 100.0, 100.0))],
    }
    write_annotated(trace_of(video, boxes, 0.4), tmp_path / "b.mp4")
    pictures = pictures_of(tmp_path / "b.mp4")
    for frame, is_first in ((5, True), (6, True), (7, False), (8, False)):
        assert is_drawn(pictures[frame], 40, 150) == is_first, frame
        assert is_drawn(pictures[frame], 70, 150, track=1) != is_first, frame


def test_times_and_rate_are_those_of_the_video(tmp_path: Path) -> None:
    times = [3.0, 3.04, 3.5, 4.0, 4.02]
    video = write_video(tmp_path / "a.mkv", plain(5), times_s=times)
    write_annotated(trace_of(video, {0: [(0.0, (40.0, 100.0, 100.0, 100.0))]}), tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        found = [float(frame.time or 0) for frame in container.decode(video=0)]
    np.testing.assert_allclose(found, np.array(times) - 3.0, atol=0.002)


def test_pictures_are_upright_and_small_ones_enlarged(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", plain(3, (64, 48)))
    turned_on_showing(video)
    write_annotated(trace_of(video, {0: [(0.0, (10.0, 10.0, 20.0, 20.0))]}), tmp_path / "b.mp4")
    pictures = pictures_of(tmp_path / "b.mp4")
    assert pictures[0].shape[:2] == (426, 320)  # 48 x 64 pixels, by 20 / 3, even
    assert is_drawn(pictures[0], round(10 * 20 / 3), round(20 * 20 / 3))


def sounds(path: Path) -> list[tuple[str, float]]:
    with av.open(str(path)) as container:
        return [
            (stream.codec_context.name, float((stream.duration or 0) * (stream.time_base or Fraction(1))))
            for stream in container.streams.audio
        ]


def with_pcm(path: Path) -> Path:
    """A video with a second of sound that no mp4 holds: a tone."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mpeg4", rate=RATE)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound: Any = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for _ in range(RATE):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((*SIZE[::-1], 3), 90, np.uint8))))
        tone = (8000 * np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000)).astype(np.int16)
        for start in range(0, 16000, 1600):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1600], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def test_sound_is_copied_or_encoded_as_an_mp4_holds_it(tmp_path: Path) -> None:
    boxes: dict[int, Sequence[Any]] = {0: [(0.0, (40.0, 100.0, 100.0, 100.0))]}
    copied = write_video(tmp_path / "a.mp4", plain(), audio_s=2.0)
    assert write_annotated(trace_of(copied, dict(boxes)), tmp_path / "a2.mp4") == ""
    assert sounds(tmp_path / "a2.mp4") == [("aac", pytest.approx(2.0, abs=0.2))]
    encoded = with_pcm(tmp_path / "b.avi")
    assert write_annotated(trace_of(encoded, dict(boxes)), tmp_path / "b2.mp4") == ""
    assert sounds(tmp_path / "b2.mp4") == [("aac", pytest.approx(1.0, abs=0.2))]
    with av.open(str(tmp_path / "b2.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    assert 0.1 < np.abs(heard[4000:12000]).mean() < 0.2  # 8000 / 32768 * 2 / pi = 0.155


def test_sound_ends_with_a_note_where_a_packet_is_damaged(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.ts", plain(), audio_s=2.0)
    data = bytearray(video.read_bytes())
    sixth = [at for at in range(len(data)) if data.startswith(b"\xff\xf1", at)][5]  # packets of AAC begin so
    data[sixth + 1] &= 0xFE  # it has a checksum now,
    data[sixth + 6] |= 3  # and four blocks: FFmpeg does not read both together
    video.write_bytes(data)
    trace = trace_of(video, {0: [(0.0, (40.0, 100.0, 100.0, 100.0))]})
    problem = write_annotated(trace, tmp_path / "b.mp4")
    assert problem.startswith("its sound ends at 0.")
    assert len(pictures_of(tmp_path / "b.mp4")) == len(plain())


def test_a_video_that_is_gone_at_its_second_reading_is_an_error(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", plain(3))
    trace = trace_of(video, {0: [(0.0, (40.0, 100.0, 100.0, 100.0))]})
    video.write_bytes(b"")
    with pytest.raises(InputError, match=r"it was read before, and cannot be read now: not a video: the file is empty"):
        write_annotated(trace, tmp_path / "b.mp4")


def test_a_copy_that_is_interrupted_is_not_there(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", plain())
    trace = trace_of(video, {0: [(0.0, (40.0, 100.0, 100.0, 100.0))]})

    def interrupt(at_s: float) -> None:
        if at_s > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_first_free([tmp_path / "shown/a.mp4"], lambda partial: write_annotated(trace, partial, interrupt))
    assert list((tmp_path / "shown").iterdir()) == []
