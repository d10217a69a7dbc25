"""Predictions of videos: people keep their numbers, what is pooled are features, and times are those of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from faces_to_find import grey, people
from heads_on_disk import HEADS, write_head
from PIL import Image
from videos import RATE, turned_on_showing, write_video

from pipeline.datasets.drawn import draw_face, sample_specs
from pipeline.features import Clips
from pipeline.predict import Prediction, Predictor
from pipeline.predict.saved import read_saved

STYLE = "sample-c"
SIDE = 128


@cache
def portrait(person: int) -> Image.Image:
    spec = replace(sample_specs(STYLE, 60)[5 * person], occlusion="none")
    return Image.fromarray(draw_face(spec, STYLE)).convert("RGB").resize((SIDE, SIDE))


def scene(*placed: tuple[int, int], width: int = 384) -> Image.Image:
    """Portraits of some people at some x, the last one in front."""
    picture = Image.new("RGB", (width, SIDE + 32), (90, 110, 120))
    for person, x in placed:
        picture.paste(portrait(person), (x, 16))
    return picture


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(write_head(tmp_path_factory.mktemp("run") / "head"), device="cpu")


def tracks(rows: Sequence[Prediction]) -> list[tuple[int | None, float | None]]:
    return [(row.track, row.start_s) for row in rows]


class TestPeople:
    def test_who_moves_is_one_track(self, predictor: Predictor, tmp_path: Path) -> None:
        video = write_video(tmp_path / "a.mp4", [scene((0, 6 * i)) for i in range(30)])
        rows = predictor.predict(video)
        assert tracks(rows) == [(0, 0.0), (0, 1.0)]
        first, second = (row.box for row in rows)
        assert first is not None
        assert second is not None
        assert 30 < second[0] - first[0] < 90  # 60 pixels a second

    def test_a_cut_to_another_person_in_the_same_place_is_another_track(
        self, predictor: Predictor, tmp_path: Path
    ) -> None:
        video = write_video(tmp_path / "a.mp4", [scene((0 if i < 20 else 2, 100)) for i in range(40)])
        assert tracks(predictor.predict(video, step_s=2.0)) == [(0, 0.0), (1, 2.0)]

    def test_two_who_cross_keep_their_numbers(self, predictor: Predictor, tmp_path: Path) -> None:
        """Who is behind is not detected for 0.6 s."""
        pictures = [scene((1, 250 - 12 * i), (0, 10 + 12 * i)) for i in range(21)]
        rows = predictor.predict(write_video(tmp_path / "a.mp4", pictures), window_s=0.5, step_s=0.5, every_s=0.1)
        at = {track: [row.box[0] for row in rows if row.track == track and row.box] for track in (0, 1)}
        assert {row.track for row in rows} == {0, 1}
        assert sorted([at[0][0] < at[0][-1], at[1][0] < at[1][-1]]) == [False, True]
        assert abs(at[0][0] - at[0][-1]) > 150

    def test_the_main_person_of_a_clip_is_the_largest_for_long(self, predictor: Predictor, tmp_path: Path) -> None:
        pictures = [scene((0, 10), *([(1, 200)] if i < 5 else [])) for i in range(20)]
        [row] = predictor.predict(write_video(tmp_path / "a.mp4", pictures), per="clip")
        assert row.box is not None
        assert row.box[0] < 128
        assert (row.start_s, row.end_s, row.n_frames) == (0, 1.9, 16)


class TestFeatures:
    @pytest.mark.parametrize("name", HEADS)
    def test_a_clip_of_one_picture_is_predicted_as_the_picture(self, name: str, tmp_path: Path) -> None:
        """FFV1 is lossless: all frames have the same pixels."""
        still = Predictor(write_head(tmp_path / "head", name), device="cpu")
        video = write_video(tmp_path / "a.mkv", [scene((0, 10), width=160)] * 5, "ffv1")
        [clip] = still.predict(video, per="clip", every_s=0.0)
        frame = still.predict(video, per="frame")[0]
        assert clip.n_frames == 5
        assert list(clip.probabilities.values()) == pytest.approx(list(frame.probabilities.values()), abs=1e-5)

    def test_of_a_clip_are_averaged_before_the_head(self, predictor: Predictor) -> None:
        classifier = predictor._classifier
        side = classifier.sizes[0]
        faces = np.stack([np.asarray(portrait(person).resize((side, side))) for person in range(3)])
        inputs = classifier.inputs({side: faces})
        pooled = classifier.of_clips(inputs, Clips(np.arange(3), np.array([0, 1, 3])))
        means = {"pooled": np.stack([inputs["pooled"][0], inputs["pooled"][1:].mean(0)])}
        np.testing.assert_allclose(pooled, classifier(means), atol=1e-6)
        of_each = classifier(inputs)
        np.testing.assert_allclose(pooled[0], of_each[0], atol=1e-6)
        assert np.abs(pooled[1] - of_each[1:].mean(0)).max() > 1e-4

    def test_windows_that_overlap_do_not_change_each_other(self, predictor: Predictor, tmp_path: Path) -> None:
        video = write_video(tmp_path / "a.mp4", [scene((0, 4 * i)) for i in range(20)])
        apart = predictor.predict(video, window_s=1.0, step_s=1.0)
        close = [row for row in predictor.predict(video, window_s=1.0, step_s=0.25) if (row.start_s or 0) in (0, 1)]
        for one, other in zip(apart, close, strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


class TestTimes:
    def test_of_a_variable_rate_choose_the_frames(self, predictor: Predictor, tmp_path: Path) -> None:
        times = [5.0, 5.1, 5.15, 5.2, 6.0, 6.9, 7.0]  # from 5 s on
        video = write_video(tmp_path / "a.mkv", [scene((0, 10))] * 7, times_s=times)
        rows = predictor.predict(video, per="frame", every_s=0.5)
        assert [(row.frame, row.seconds) for row in rows] == [
            (0, 0.0),
            (4, pytest.approx(1.0)),
            (5, pytest.approx(1.9)),
            (6, pytest.approx(2.0)),
        ]
        assert [row.n_frames for row in predictor.predict(video, every_s=0.0, step_s=2.0)] == [6, 1]

    def test_of_a_file_without_a_length_are_those_of_its_frames(self, predictor: Predictor, tmp_path: Path) -> None:
        video = write_video(tmp_path / "a.mkv", [scene((0, 10))] * 15, muxer={"live": "1"})
        assert tracks(predictor.predict(video, window_s=1.0, step_s=1.0)) == [(0, 0.0), (0, 1.0)]

    def test_a_video_that_lies_on_its_side_has_upright_boxes(self, predictor: Predictor, tmp_path: Path) -> None:
        upright = scene((0, 10), width=320)
        video = write_video(tmp_path / "a.mp4", [upright.rotate(90, expand=True)] * RATE)
        turned_on_showing(video)
        row = predictor.predict(video)[0]
        expected = predictor.predict(upright)[0]
        np.testing.assert_allclose(row.box or 0, expected.box or 0, atol=6)


class TestBadFiles:
    def test_rows_of_a_video_that_ends_early_come_before_its_reason(self, predictor: Predictor, tmp_path: Path) -> None:
        whole = write_video(tmp_path / "a.mkv", [scene((0, 10))] * 60, options={"g": "1"})
        whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        *faces, last = predictor.predict(whole)
        assert [row.status for row in faces] == ["face"] * len(faces)
        assert len(faces) >= 2
        assert (last.status, last.track, last.start_s) == ("unreadable", None, None)
        assert "video ends early" in last.reason

    def test_two_videos_and_a_picture_do_not_mix(self, predictor: Predictor, tmp_path: Path) -> None:
        first = write_video(tmp_path / "a.mp4", [scene((0, 10))] * 5)
        second = write_video(tmp_path / "b.mp4", [scene((1, 10))] * 5)
        rows = predictor.predict([first, scene((0, 10)), second, first])
        assert [(row.image, row.track, row.n_frames) for row in rows] == [
            (str(first), 0, 3),
            ("#1", None, None),
            (str(second), 0, 3),
            (str(first), 0, 3),
        ]

    def test_nobody_is_one_row(self, predictor: Predictor, tmp_path: Path) -> None:
        video = write_video(tmp_path / "a.mp4", [grey((128, 96))] * 12)
        [row] = predictor.predict(video)
        assert (row.status, row.start_s, row.end_s, row.n_frames) == ("no face", 0, pytest.approx(1.2), 6)


def test_a_head_of_clips_reads_as_many_frames_as_in_training(tmp_path: Path) -> None:
    """Of a window of 0.5 s, four frames: one each 0.125 s. A picture is a clip of one frame to it."""
    folder = write_head(tmp_path / "head", clip_frames=4)
    assert read_saved(folder).description["clip_frames"] == 4
    of_clips = Predictor(folder, device="cpu")
    still = Predictor(write_head(tmp_path / "still"), device="cpu")
    video = write_video(
        tmp_path / "a.mkv", [scene((0, 10 * i)) for i in range(16)], times_s=[i / 32 for i in range(16)]
    )
    [row] = of_clips.predict(video, window_s=0.5, step_s=0.5)
    assert row.n_frames == 4
    [same] = still.predict(video, window_s=0.5, step_s=0.5, every_s=0.125)
    assert list(row.probabilities.values()) == pytest.approx(list(same.probabilities.values()), abs=1e-6)
    one, other = of_clips.predict(people(1))[0], still.predict(people(1))[0]
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
