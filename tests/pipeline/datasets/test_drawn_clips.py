"""Drawn clips: rest, a short apex anywhere, rest; the head moves; person, style and light stay as they are."""

import csv
import io
import json
import shutil
from collections import Counter
from dataclasses import replace

import av
import numpy as np
import pytest

from pipeline.datasets.drawn import (
    CLIP_GENERATOR_VERSION,
    CLIP_SAMPLES,
    STYLES,
    clip_specs,
    draw_clip,
    draw_clip_sheet,
    draw_dataset,
    kind_of,
)
from pipeline.datasets.drawn.clips import FRAMES, style_of_clips
from pipeline.datasets.drawn.side_by_side import sample_files
from pipeline.datasets.index import index_dataset
from pipeline.errors import ConfigError, DatasetError
from pipeline.video.writing import mp4_bytes

N = 70  # ten people
LABELS = {"surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"}

# Mean grey of the middle frames of the first 7 clips, seed 0, in a grid of 4 x 4; another one needs a new version.
VERSION = 1
GREY = {
    "sample-video-a": [[227, 193, 194, 234], [209, 203, 192, 217], [227, 220, 218, 230], [230, 225, 225, 231]],
    "sample-video-b": [[143, 128, 135, 140], [145, 162, 173, 140], [146, 179, 183, 143], [143, 152, 153, 142]],
    "sample-video-c": [[117, 125, 113, 110], [120, 121, 105, 113], [104, 96, 87, 100], [75, 70, 69, 76]],
    "sample-video-d": [[133, 113, 105, 121], [134, 157, 137, 116], [131, 138, 123, 109], [134, 98, 85, 83]],
    "sample-video-e": [[124, 159, 160, 129], [132, 137, 138, 128], [125, 145, 145, 143], [101, 132, 138, 125]],
}
A_GREY_LEVEL = 1.0


def still(spec):
    """The clip without motion and blinks."""
    return replace(spec, motion=np.zeros_like(spec.motion), blinks=())


def grey(picture):
    return picture.astype(float).mean(axis=-1)


@pytest.mark.parametrize("sample", CLIP_SAMPLES)
def test_each_person_shows_each_expression_once_and_is_in_one_split(sample):
    faces = [spec.apex for spec in clip_specs(sample, N)]
    by_person = {}
    for face in faces:
        by_person.setdefault(face.subject, []).append(face)
    assert [{face.label for face in person} for person in by_person.values()] == [LABELS] * 10
    assert all(len({(face.split, face.person) for face in person}) == 1 for person in by_person.values())
    assert Counter(face.split for face in faces) == {"train": 49, "val": 7, "test": 14}
    assert len({face.id for face in faces}) == N


def test_21_clips_show_every_expression_in_every_split():
    faces = [spec.apex for spec in clip_specs("sample-video-b", 21)]
    assert {(face.split, face.label) for face in faces} == {
        (split, label) for split in ("train", "val", "test") for label in LABELS
    }


def test_the_order_of_expressions_differs_between_people():
    faces = [spec.apex for spec in clip_specs("sample-video-a", N)]
    assert len({tuple(face.label for face in faces[i : i + 7]) for i in range(0, N, 7)}) > 5


def strengths(sample, n):
    """How much of the expression shows, shape (n, FRAMES)."""
    return np.array([[spec.strength(frame) for frame in range(FRAMES)] for spec in clip_specs(sample, n)])


def test_an_expression_rises_once_falls_once_and_shows_in_about_a_third_of_the_frames():
    shown = strengths("sample-video-c", 210)
    for strength in shown:
        assert max(strength) == 1
        assert max(strength[0], strength[-1]) <= 0.5  # half of the rise and of the fall are in the clip
        signs = np.sign(np.diff(strength))
        assert np.all(np.diff(signs[signs != 0]) <= 0)
        assert (
            np.abs(np.diff(strength)).max() < 0.6875 + 1e-9
        )  # smooth step of 3/4 less that of 1/4: a rise of 2 frames
    assert 0.29 < (shown > 0).mean() < 0.36  # 2.5 + 3 + 2.5 of 24 frames, less what is before or after the clip
    assert 0.21 < (shown > 0.5).mean() < 0.26
    assert set((shown == 1).sum(axis=1)) <= {2, 3, 4, 5}


def test_the_apex_is_anywhere_in_a_clip():
    """Its middle is uniform in about 2.75 to 20.25: of 210 clips 63, 96 and 51 have it in each third of the frames.

    Half of an expression lasts 5.5 frames: 5.5 / 17.5 of the clips, 31 %, show it at the middle.
    """
    moments = [(spec.onset[1] + spec.onset[2]) / 2 for spec in clip_specs("sample-video-a", 210)]
    np.testing.assert_allclose(np.histogram(moments, bins=(0, 8, 16, 24))[0], (63, 96, 51), atol=20)
    in_clips = (strengths("sample-video-a", 210) > 0.5).mean(axis=0)
    assert in_clips.max() < 0.45
    assert 0.2 < in_clips[FRAMES // 2] < 0.4


def test_muscles_are_those_of_rest_and_of_the_apex():
    spec = replace(clip_specs("sample-video-a", 1)[0], blinks=(), onset=(4.0, 8.0, 16.0, 20.0))
    assert spec.face(0).units == spec.rest
    assert spec.face(12).units == spec.apex.units
    halfway = spec.face(6).units  # half of the rise: the smooth step of 1/2 is 1/2
    assert halfway.au12 == pytest.approx((spec.rest.au12 + spec.apex.units.au12) / 2)


def test_a_blink_shuts_the_eyes_for_a_moment():
    spec = replace(clip_specs("sample-video-a", 1)[0], blinks=(9.0,))
    shut = [spec.face(frame).units.au43 for frame in range(FRAMES)]
    assert shut[9] == 1
    assert shut[8] == shut[10] == pytest.approx(1 / 3)
    assert max(shut[:8] + shut[11:]) < 0.6


@pytest.mark.parametrize("sample", CLIP_SAMPLES)
def test_heads_of_neutral_clips_move_too_and_slowly(sample):
    specs = [spec for spec in clip_specs(sample, N) if spec.apex.label == "neutral"]
    ways = np.array([np.ptp(spec.motion, axis=0) for spec in specs])
    steps = np.array([np.abs(np.diff(spec.motion, axis=0)).max(axis=0) for spec in specs])
    assert (ways.max(axis=1) > 1).all()
    assert (steps.max(axis=0) < [4.5, 2.5, 2.5, 0.07, 0.045, 0.025]).all()  # yaw, pitch, roll, right, down, growth


@pytest.mark.parametrize("style", STYLES)
def test_background_and_light_stay_as_they_are(style):
    """Without motion only the face changes: the picture's upper corners are equal in all frames."""
    spec = next(spec for spec in clip_specs("sample-video-b", N) if spec.apex.label == "surprise")
    assert spec.strength(0) == spec.strength(FRAMES - 1) == 0
    frames = draw_clip(still(replace(spec, apex=replace(spec.apex, occlusion="none"))), style)
    assert frames.shape[0] == FRAMES
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    corners = np.concatenate([frames[:, :6, :6], frames[:, :6, -6:]], axis=1)
    change = np.abs(corners.astype(int) - corners[0])
    assert change.max() <= (12 if style == "sample-e" else 0)  # sample-e exposes for the mean of the picture
    middle = frames[:, frames.shape[1] // 3 : -frames.shape[1] // 6, frames.shape[2] // 4 : -frames.shape[2] // 4]
    moved = np.abs(grey(middle) - grey(middle[0])).mean(axis=(1, 2))
    assert moved.argmax() in range(*(round(time) for time in spec.onset[::3]))
    assert moved[-1] < moved.max() / 4


def test_clip_i_does_not_depend_on_how_many_there_are():
    few, many = clip_specs("sample-video-d", 3, seed=2), clip_specs("sample-video-d", 30, seed=2)
    for first, second in zip(few, many, strict=False):
        assert (first.apex, first.rest, first.onset, first.blinks) == (
            second.apex,
            second.rest,
            second.onset,
            second.blinks,
        )
        np.testing.assert_array_equal(first.motion, second.motion)


def test_people_are_not_those_of_the_stills_nor_of_another_style_or_seed():
    samples = [("sample-video-a", 0), ("sample-video-b", 0), ("sample-video-a", 1)]
    people = [kind_of(sample).specs(sample, 7, seed)[0].apex.person for sample, seed in samples]
    people.append(kind_of("sample-a").specs("sample-a", 1, 0)[0].person)
    assert len(set(people)) == 4


@pytest.mark.parametrize("sample", CLIP_SAMPLES)
def test_clips_are_those_of_the_version(sample):
    assert CLIP_GENERATOR_VERSION == VERSION
    middles = [draw_clip(spec, style_of_clips(sample), [FRAMES // 2])[0] for spec in clip_specs(sample, 7)]
    mean = grey(np.mean(middles, axis=0))
    grid = [[part.mean() for part in np.array_split(row, 4, axis=1)] for row in np.array_split(mean, 4, axis=0)]
    np.testing.assert_allclose(grid, GREY[sample], rtol=0, atol=A_GREY_LEVEL)


def test_a_folder_of_clips_has_videos_labels_and_a_receipt(tmp_path):
    draw_dataset("sample-video-e", tmp_path, 7, seed=4)
    receipt = {"generator": CLIP_GENERATOR_VERSION, "style": "sample-video-e", "seed": 4, "n": 7, "unit": "clip"}
    assert json.loads((tmp_path / "sample.json").read_text()) == receipt
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {f"clips/{path.name}" for path in (tmp_path / "clips").iterdir()}
    assert [(row["id"], row["label"]) for row in rows] == [
        (spec.apex.id, spec.apex.label) for spec in clip_specs("sample-video-e", 7, seed=4)
    ]


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes():
    alone = list(sample_files("sample-video-e", 6, seed=3, n_processes=1))
    assert list(sample_files("sample-video-e", 6, seed=3, n_processes=2)) == alone


def test_files_of_the_other_kind_are_removed_when_a_folder_is_drawn_again(tmp_path):
    draw_dataset("sample-e", tmp_path, 3)
    draw_dataset("sample-video-e", tmp_path, 2)
    assert list((tmp_path / "images").iterdir()) == []
    assert len(list((tmp_path / "clips").iterdir())) == 2
    draw_dataset("sample-video-e", tmp_path, 1)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["ve00000.mp4"]


def test_a_clip_is_two_seconds_of_h264_in_its_own_colours():
    """Flat halves of known colours: what is decoded is within 3 of 255 of them."""
    frames = np.zeros((FRAMES, 64, 64, 3), np.uint8)
    frames[:, :, :32], frames[:, :, 32:] = (200, 60, 30), (20, 90, 180)
    with av.open(io.BytesIO(mp4_bytes(frames, 12))) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert float(stream.duration * stream.time_base) == 2.0
        decoded = [
            frame.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG").to_ndarray()
            for frame in container.decode(stream)
        ]
    assert len(decoded) == FRAMES
    np.testing.assert_allclose(decoded[5][32, 8], (200, 60, 30), atol=3)
    np.testing.assert_allclose(decoded[5][32, 56], (20, 90, 180), atol=3)


def test_a_sheet_has_a_clip_for_each_expression():
    assert draw_clip_sheet("sample-video-e", columns=3).shape == (7 * 48, 3 * 48, 3)
    with pytest.raises(ConfigError, match="columns: expected 1 to 24, found 25"):
        draw_clip_sheet("sample-video-e", columns=25)


def test_unknown_samples_and_numbers_are_errors():
    with pytest.raises(ConfigError, match="Did you mean 'sample-video-a'"):
        clip_specs("sample-vido-a", 7)
    with pytest.raises(ConfigError, match="expected at least one clip of sample-video-a, found 0"):
        clip_specs("sample-video-a", 0)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset("sample-video-e", folder, 21)
    return folder


def test_the_sample_layout_reads_clips_and_every_frame_is_a_row(drawn):
    table = index_dataset("sample-video-e", "sample", drawn, {})
    assert table.info.unit == "clip"
    assert table.info.release == "sample-video-e, generator 1, seed 0"
    assert len(table) == 21 * FRAMES
    rows = table.frame
    assert set(rows["status"]) == {"ok"}
    assert rows["sha256"].is_unique
    for clip, frames in rows.groupby("clip"):
        assert frames["frame"].tolist() == list(range(FRAMES))
        assert frames["path"].tolist() == [f"clips/{clip}.mp4::{i:07d}" for i in range(FRAMES)]
        assert all(frames[column].nunique() == 1 for column in ("label", "split", "subject"))
    assert rows.groupby("split")["clip"].nunique().to_dict() == {"test": 7, "train": 7, "val": 7}


def test_a_sample_of_faces_is_read_as_before(tmp_path):
    draw_dataset("sample-e", tmp_path, 5)
    table = index_dataset("sample-e", "sample", tmp_path, {"val_fraction": 0.0, "test_fraction": 0.0})
    assert table.info.unit == "image"
    assert "clip" not in table.frame


def test_an_interrupted_drawing_is_refused(drawn, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(drawn, folder)
    (folder / "sample.json").unlink()
    with pytest.raises(DatasetError, match=r"expected a finished sample .*no sample\.json\. Draw it again"):
        index_dataset("sample-video-e", "sample", folder, {})


def test_a_clip_that_is_lost_or_cut_short_is_a_rejected_clip(drawn, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(drawn, folder)
    (folder / "clips" / "ve00003.mp4").unlink()
    (folder / "clips" / "ve00004.mp4").write_bytes(b"")
    rows = index_dataset("sample-video-e", "sample", folder, {}).frame
    rejected = rows[rows["status"] != "ok"]
    assert sorted(rejected["clip"]) == ["ve00003", "ve00004"]
    assert rows["clip"].nunique() == 21
