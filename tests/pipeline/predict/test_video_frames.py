"""Frames of videos: which are taken, when they were, and the reason of a video that is not whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from videos import RATE, coloured, cut, every, shifted, turned_on_showing, write_video

from pipeline.errors import ImageError
from pipeline.predict.lazy_images import video_frames
from pipeline.video.formats import is_video

N = 35
SIZE = (64, 48)


def shade(i: int) -> Image.Image:
    """Brighter with every frame."""
    return Image.new("RGB", SIZE, (6 * i, 6 * i, 6 * i))


@pytest.fixture(scope="module", params=["mp4", "avi"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec = {"mp4": "libx264", "avi": "mjpeg"}[request.param]
    return write_video(tmp_path_factory.mktemp("video") / f"whole.{request.param}", [shade(i) for i in range(N)], codec)


def test_a_frame_a_second_is_taken_the_first_one_first(video: Path) -> None:
    images = list(video_frames(video, every(1.0)))
    assert [image.frame for image in images] == [0, 10, 20, 30]
    np.testing.assert_allclose([image.seconds or 0 for image in images], [0, 1, 2, 3], atol=1e-6)
    shown = [np.asarray(image.load()).mean() for image in images]
    np.testing.assert_allclose(shown, [0, 60, 120, 180], atol=4)


def test_every_frame_is_taken_on_demand(video: Path) -> None:
    assert [image.frame for image in video_frames(video, every(0))] == list(range(N))


def test_an_interval_between_frames_takes_the_first_one_after_it(video: Path) -> None:
    """At 0.25 s frames are due at 0, 0.25, 0.5, 0.75, 1: there are some at 0, 0.3, 0.5, 0.8, 1."""
    assert [image.frame for image in video_frames(video, every(0.25))][:5] == [0, 3, 5, 8, 10]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_frame_that_is_due_at_its_own_time_is_taken(video: Path, step: int) -> None:
    """10 frames a second: tenths of seconds are no sums of powers of two."""
    assert [image.frame for image in video_frames(video, every(step / RATE))] == list(range(0, N, step))


def test_a_video_that_ends_early_keeps_what_was_read_and_has_the_reason(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi", [shade(i) for i in range(N)], "mjpeg")
    *frames, last = video_frames(cut(whole, 0.5), every(1.0))
    assert [image.frame for image in frames][:2] == [0, 10]
    assert all(image.load().size == SIZE for image in frames)
    assert (last.frame or 0) > 10
    with pytest.raises(ImageError, match=r"video ends early: 1\.\d of 3\.5 s could be read, \d\d frames"):
        last.load()


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "mjpeg"), ("webm", "libvpx")])
def test_a_whole_video_whose_first_frame_comes_late_is_whole(suffix: str, codec: str, tmp_path: Path) -> None:
    whole = write_video(tmp_path / f"whole.{suffix}", [shade(i) for i in range(N)], codec)
    early, late = (list(video_frames(path, every(1.0))) for path in (whole, shifted(whole, 5.0)))
    assert [image.frame for image in late] == [0, 10, 20, 30]
    assert [image.seconds for image in late] == [image.seconds for image in early]
    for one, other in zip(early, late, strict=True):
        np.testing.assert_array_equal(np.asarray(one.load()), np.asarray(other.load()))


def test_one_that_comes_late_and_ends_early_says_so(tmp_path: Path) -> None:
    late = shifted(write_video(tmp_path / "whole.mkv", [shade(i) for i in range(N)], "mjpeg"), 5.0)
    *_, last = video_frames(cut(late, 0.6), every(1.0))
    with pytest.raises(ImageError, match=r"video ends early: [12]\.\d of 3\.5 s could be read, \d\d frames"):
        last.load()


def test_a_video_whose_index_is_cut_off_cannot_be_read(tmp_path: Path) -> None:
    [image] = video_frames(cut(write_video(tmp_path / "whole.mp4", [shade(0)] * N), 0.3), 1.0)
    with pytest.raises(ImageError, match="not a video"):
        image.load()


def test_a_whole_video_ends_without_complaint(video: Path) -> None:
    assert [image.load().size for image in video_frames(video, every(0))] == [SIZE] * N


@pytest.mark.parametrize("data", [b"", b"dear reader, this is no video"], ids=["empty", "letter"])
def test_what_is_no_video_is_one_picture_that_cannot_be_read(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(data)
    [image] = video_frames(tmp_path / "no.mp4", every(1.0))
    assert (image.frame, image.seconds) == (None, None)
    with pytest.raises(ImageError, match="not a video"):
        image.load()


def test_a_video_is_upright_as_it_says(tmp_path: Path) -> None:
    """Its left half is white; after a quarter turn clockwise the upper half is."""
    half = Image.new("RGB", SIZE)
    half.paste((255, 255, 255), (0, 0, SIZE[0] // 2, SIZE[1]))
    path = write_video(tmp_path / "lying.mp4", [half] * RATE)
    turned_on_showing(path)
    shown = next(video_frames(path, every(1.0))).load()
    assert shown.size == SIZE[::-1]
    upper, lower = np.asarray(shown)[: SIZE[0] // 2].mean(), np.asarray(shown)[SIZE[0] // 2 :].mean()
    assert upper > 240
    assert lower < 15


def test_a_video_has_the_colours_that_it_states(tmp_path: Path) -> None:
    """RGB 200, 60, 40 is written with BT.601 as Y 102, Cb 99, Cr 191; with BT.709 that reads as 213, 73, 38.

    Y = 16 + (65.7 * 200 + 129.1 * 60 + 25.1 * 40) / 256, and so on; R = 1.164 * (102 - 16) + 1.793 * (191 - 128), ...
    """
    flat = [Image.new("RGB", SIZE, (200, 60, 40))] * RATE
    path = write_video(tmp_path / "flat.mkv", flat)
    shown = {
        matrix: np.asarray(next(video_frames(coloured(path, matrix), every(1.0))).load())[20, 20] for matrix in (6, 1)
    }
    np.testing.assert_allclose(shown[6], [200, 60, 40], atol=5)
    np.testing.assert_allclose(shown[1], [213, 73, 38], atol=5)


def test_videos_are_known_by_their_suffix_in_any_case() -> None:
    assert is_video(Path("A.MP4"))
    assert not is_video(Path("a.gif"))
