"""Windows of tracks: which frames are in which, in whatever memory; and the main track of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.predict.windows import MOST_FRAMES, FramesOfTracks, TrackFrame, VideoOptions, Window, frames_of_tracks


def face(number: int, seconds: float, size: float = 10.0) -> TrackFrame:
    return TrackFrame(number, seconds, (0.0, 0.0, size, size), 0.9)


def windows_of(frames: Iterable[tuple[float, Mapping[int, float]]], **options: Any) -> list[Window]:
    """Of frames: time, and track -> size of its face."""
    collected: list[Window] = []
    units: FramesOfTracks = frames_of_tracks(VideoOptions(**options))
    last = 0.0
    for number, (seconds, tracks) in enumerate(frames):
        faces = {track: face(number, seconds, size) for track, size in tracks.items()}
        collected += units.add(seconds, faces, list(tracks))
        last = seconds
    return collected + list(units.finish(last, last + 0.5))


def summary(windows: Iterable[Window]) -> list[tuple[int, float, float, list[float]]]:
    return [(one.track, one.start_s, one.end_s, [each.seconds for each in one.frames]) for one in windows]


def test_windows_begin_every_step_and_hold_the_frames_of_their_length() -> None:
    """Frames at 0, 0.5, ... 4; windows [0, 2), [1, 3), [2, 4); the last frame, at 4, needs [3, 5), which ends early."""
    frames = [(0.5 * i, {0: 10.0}) for i in range(9)]
    assert summary(windows_of(frames)) == [
        (0, 0, 2, [0, 0.5, 1, 1.5]),
        (0, 1, 3, [1, 1.5, 2, 2.5]),
        (0, 2, 4, [2, 2.5, 3, 3.5]),
        (0, 3, 4.5, [3, 3.5, 4]),
    ]


def test_a_video_shorter_than_a_window_is_one_window() -> None:
    assert summary(windows_of([(0.0, {0: 10.0}), (0.5, {0: 10.0})])) == [(0, 0, 1, [0, 0.5])]
    assert summary(windows_of([(0.0, {0: 10.0})])) == [(0, 0, 0.5, [0])]


def test_each_person_has_rows_where_it_is() -> None:
    frames = [(0.0, {0: 10.0}), (1.0, {0: 10.0, 1: 5.0}), (2.0, {1: 5.0}), (3.0, {1: 5.0}), (3.9, {})]
    assert [(one.track, one.start_s, one.n_frames) for one in windows_of(frames)] == [
        (0, 0, 2),
        (1, 0, 1),
        (0, 1, 1),
        (1, 1, 2),
        (1, 2, 2),
    ]


def test_a_gap_of_years_takes_no_time() -> None:
    frames = [(0.0, {0: 10.0}), (1e9, {1: 10.0})]
    assert [(one.track, one.start_s) for one in windows_of(frames)] == [(0, 0), (1, 1e9 - 1)]


def test_tenths_of_a_second_are_in_the_window_that_they_begin() -> None:
    """3 x 0.1 is a little more than 0.3 to a computer: the frame at 0.3 is in the window from 0.3 on only."""
    frames = [(i / 10, {0: 10.0}) for i in range(6)]
    windows = windows_of(frames, window_s=0.3, step_s=0.3, every_s=0.1)
    assert [[each.frame for each in one.frames] for one in windows] == [[0, 1, 2], [3, 4, 5]]


@given(
    st.lists(st.floats(0.01, 3), min_size=1, max_size=40),
    st.sampled_from([(2.0, 1.0), (1.0, 1.0), (3.0, 0.5), (0.7, 0.2)]),
)
def test_every_frame_is_in_a_window_and_every_window_is_full(gaps: list[float], sizes: tuple[float, float]) -> None:
    window_s, step_s = sizes
    times = [sum(gaps[:i]) for i in range(len(gaps))]
    windows = windows_of([(at, {0: 1.0}) for at in times], window_s=window_s, step_s=step_s)
    assert {each.frame for one in windows for each in one.frames} == set(range(len(times)))
    for one in windows:
        expected = [at for at in times if one.start_s - 1e-6 <= at < one.start_s + window_s - 1e-6]
        assert [each.seconds for each in one.frames] == expected
    assert len({one.start_s for one in windows}) == len(windows)


class TestClip:
    def test_is_of_the_track_that_is_largest_and_longest(self) -> None:
        """Areas: 3 x 100 of the first, 2 x 400 of the second, which ends early, 1 x 625 of the third."""
        frames = [(0.0, {0: 10.0, 1: 20.0}), (1.0, {0: 10.0, 1: 20.0}), (2.0, {0: 10.0}), (3.0, {2: 25.0})]
        [clip] = windows_of(frames, per="clip")
        assert (clip.track, clip.start_s, clip.end_s, clip.n_frames) == (1, 0, 1, 2)

    def test_is_nothing_without_a_face(self) -> None:
        assert windows_of([(0.0, {}), (1.0, {})], per="clip") == []

    def test_holds_few_frames_evenly_however_long_it_is(self) -> None:
        [clip] = windows_of([(float(i), {0: 1.0}) for i in range(1000)], per="clip")
        assert clip.n_frames == 1000
        assert MOST_FRAMES / 2 <= len(clip.frames) <= MOST_FRAMES
        assert {b.frame - a.frame for a, b in zip(clip.frames, clip.frames[1:], strict=False)} == {4}

    def test_holds_the_main_and_the_open_tracks_only(self) -> None:
        units: Any = frames_of_tracks(VideoOptions(per="clip"))
        for i in range(100):
            units.add(float(i), {i: face(i, float(i), 50.0 - i / 10)}, [i])
        assert set(units.tracks) == {0, 99}


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"per": "widow"}, "per: expected one of"),
            ({"window_s": 0.0}, "window: expected seconds, more than 0"),
            ({"step_s": float("nan")}, "step: expected seconds"),
            ({"step_s": 3.0}, "step: expected at most the window"),
            ({"step_s": 0.001}, "step: expected at least"),
            ({"every_s": 3.0}, "every: expected at most the window"),
        ],
    )
    def test_that_are_impossible_are_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            VideoOptions(**options)

    def test_that_only_windows_have_are_of_no_effect_elsewhere(self) -> None:
        assert VideoOptions("frame", every_s=10.0).interval(60.0, None) == 10

    @pytest.mark.parametrize(
        ("per", "length_s", "clip_frames", "interval"),
        [
            ("frame", 60, None, 1.0),
            ("window", 60, None, 0.2),
            ("window", 60, 16, 2 / 16),
            ("window", 60, 4, 0.2),
            ("clip", 60, None, 0.2),
            ("clip", 1.6, None, 0.1),
            ("clip", 1.6, 32, 0.05),
            ("clip", 0, 32, 0.2),
        ],
    )
    def test_frames_are_as_dense_as_predictions_need(
        self, per: Any, length_s: float, clip_frames: int | None, interval: float
    ) -> None:
        assert VideoOptions(per).interval(length_s, clip_frames) == pytest.approx(interval)
