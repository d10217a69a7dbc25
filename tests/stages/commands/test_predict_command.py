"""`fer-stage predict`: rows of every kind of picture, good and bad, and annotated copies that overwrite nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faces_to_find import N_PEOPLE, grey, people
from heads_on_disk import CLASSES, write_head
from PIL import Image
from videos import cut, write_video

import stages
from pipeline.errors import DatasetError
from pipeline.predict import Prediction
from stages.cli import run
from stages.errors import CheckFailedError, ParamsError

FerStage = Callable[..., Any]
KEYS = {
    "image",
    "status",
    "frame",
    "seconds",
    "reason",
    "box",
    "score",
    "expression",
    "probability",
    "probabilities",
    "annotated",
}
WINDOW_KEYS = {"track", "start_s", "end_s", "n_frames"}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_head(tmp_path_factory.mktemp("run") / "head"))


@pytest.fixture
def predict(head: str, empty: Path, fer_stage: FerStage) -> FerStage:
    """Run the command in an empty folder; JSON rows, or the text of another format or of an error."""

    def call(*args: str, code: int = 0, output_format: str = "json", run: str = head) -> Any:
        return fer_stage("predict", "--run", run, "--format", output_format, *args, code=code)

    return call


def save(picture: Image.Image, name: str, **options: Any) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    picture.save(name, **options)
    return name


def test_a_picture_gives_a_row_for_each_face(predict: FerStage) -> None:
    rows = predict(save(people(), "five.png"))
    assert len(rows) == N_PEOPLE
    for row in rows:
        assert row.keys() == KEYS
        assert (row["image"], row["status"], row["frame"]) == ("five.png", "face", None)
        assert list(row["probabilities"]) == list(CLASSES)
        assert row["probability"] == max(row["probabilities"].values())
        assert len(row["box"]) == 4


def test_csv_has_a_column_for_each_number(predict: FerStage) -> None:
    rows = list(csv.DictReader(io.StringIO(predict(save(people(2), "two.png"), output_format="csv"))))
    assert len(rows) == 2
    assert abs(sum(float(rows[0][name]) for name in CLASSES) - 1) < 1e-4
    assert float(rows[0]["width"]) * float(rows[0]["height"]) >= float(rows[1]["width"]) * float(rows[1]["height"])


def test_a_table_has_a_reason_where_there_is_no_face(predict: FerStage) -> None:
    save(people(1), "one.png")
    lines = predict("one.png", save(grey(), "empty.png"), output_format="table").splitlines()
    assert lines[0].split() == ["image", "seconds", "box", "expression", "probability", "reason"]
    assert any(name in lines[1] for name in CLASSES)
    assert lines[2].endswith("no face found")


def test_folders_and_patterns_are_expanded_and_ignored_files_are_counted(
    predict: FerStage, capsys: pytest.CaptureFixture[str], head: str
) -> None:
    save(people(1), "photos/b.png")
    save(people(1), "photos/deep/a.png")
    Path("photos/notes.txt").touch()
    assert [row["image"] for row in predict("photos")] == ["photos/b.png", "photos/deep/a.png"]
    assert [row["image"] for row in predict("photos/**/a*.png")] == ["photos/deep/a.png"]
    run(["predict", "photos", "--run", head])
    assert "left out: 1 .txt" in capsys.readouterr().err


def test_pictures_without_faces_are_rows_and_no_failure(predict: FerStage) -> None:
    rows = predict(save(grey(), "empty.png"))
    assert [(row["status"], row["box"], row["probabilities"]) for row in rows] == [("no face", None, {})]


def test_forty_faces_are_forty_rows(predict: FerStage) -> None:
    assert len(predict(save(people(40, style="sample-b"), "all.png"))) == 40


def test_faces_of_twenty_pixels_are_found(predict: FerStage) -> None:
    large = people(6)
    share = 0.24  # heads of 84 pixels
    small = large.resize((round(large.width * share), round(large.height * share)), Image.Resampling.LANCZOS)
    rows = predict(save(small, "small.png"))
    assert len(rows) >= 5
    assert all(10 < row["box"][2] < 24 for row in rows)


def test_grey_transparent_and_animated_pictures_are_predicted(predict: FerStage) -> None:
    picture = people(1)
    clear = picture.convert("RGBA")
    clear.putalpha(Image.new("L", picture.size, 255))
    save(picture.convert("L"), "grey.png")
    save(clear, "clear.png")
    save(picture, "moving.gif", save_all=True, append_images=[grey(picture.size)], duration=100)
    assert [(row["image"], row["status"]) for row in predict("grey.png", "clear.png", "moving.gif")] == [
        ("grey.png", "face"),
        ("clear.png", "face"),
        ("moving.gif", "face"),
    ]


def test_sideways_pictures_are_predicted_with_and_without_exif(predict: FerStage) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = people(1).rotate(90, expand=True)
    save(sideways, "exif.png", exif=exif)
    save(sideways, "plain.png")
    upright, with_exif, plain = predict(save(people(1), "upright.png"), "exif.png", "plain.png")
    np.testing.assert_allclose(with_exif["box"], upright["box"], atol=0.2)
    assert plain["status"] == "face"
    assert plain["box"][2] > plain["box"][3]  # a head is higher than wide, and here it lies
    assert all(row["score"] < 0.8 for row in predict("plain.png", "--no-rotate") if row["box"])


def test_an_unreadable_picture_is_a_row_with_its_reason(predict: FerStage) -> None:
    Path("letter.jpg").write_text("no picture")
    rows = predict("letter.jpg", save(people(1), "one.png"))
    assert [(row["status"], row["reason"]) for row in rows] == [("unreadable", "not an image"), ("face", "")]


def test_nothing_that_can_be_read_is_a_failed_check(predict: FerStage) -> None:
    Path("letter.jpg").write_text("no picture")
    Path("clip.mp4").write_text("no video")
    assert "nothing could be read" in predict("letter.jpg", "clip.mp4", code=3)


def test_a_missing_path_is_reported_before_anything_is_done(predict: FerStage) -> None:
    message = predict(save(people(1), "one.png"), "gone.png", "none*.jpg", code=1)
    assert "found nothing at 'gone.png', 'none*.jpg'" in message


def test_a_folder_without_pictures_is_an_error(predict: FerStage) -> None:
    Path("papers").mkdir()
    Path("papers/notes.txt").touch()
    assert "found none in 'papers', only other files (1 .txt)" in predict("papers", code=1)


def test_no_input_at_all_is_usage(predict: FerStage) -> None:
    assert "INPUT" in predict(code=2)


def test_frames_of_a_video_have_rows_with_frame_and_time(predict: FerStage) -> None:
    write_video(Path("clip.avi"), [people(2).resize((416, 256))] * 21, "mjpeg")
    rows = predict("clip.avi", "--per", "frame")
    assert [(row["frame"], row["seconds"]) for row in rows] == [(0, 0.0)] * 2 + [(10, 1.0)] * 2 + [(20, 2.0)] * 2
    assert rows[0].keys() == KEYS
    assert len(predict("clip.avi", "--per", "frame", "--every", "0.5")) == 2 * 5


def test_a_video_that_ends_early_keeps_its_rows_and_says_so(predict: FerStage) -> None:
    whole = write_video(Path("clip.avi"), [people(1).resize((256, 256))] * 40, "mjpeg")
    *faces, last = predict(str(cut(whole, 0.5)), "--per", "frame")
    assert [row["status"] for row in faces] == ["face", "face"]
    assert last["status"] == "unreadable"
    assert last["reason"].startswith("video ends early: 1.")
    *faces, last = predict(str(cut(whole, 0.5)), "--window", "1s")
    assert {row["status"] for row in faces} == {"face"}
    assert (faces[0]["start_s"], faces[0]["end_s"], faces[0]["track"]) == (0, 1, 0)
    assert last["reason"].startswith("video ends early: 1.")


def test_another_encoder_than_the_heads_is_refused_with_its_fields(predict: FerStage, tmp_path: Path) -> None:
    Path("params.yaml").write_text("encoders: {other: untrained}\nrun: {encoders: [other]}\n")
    assert len(predict(save(people(1), "one.png"), "--encoder", "other")) == 1
    record = json.loads((Path(write_head(tmp_path / "wrong")) / "run.json").read_text())
    for identity in (record["head"]["encoder"], record["encoder_identity"]):
        identity["encoder"]["weights"] = "0" * 64
    (tmp_path / "wrong" / "run.json").write_text(json.dumps(record))
    assert "weights: expected '0000" in predict("one.png", run=str(tmp_path / "wrong"), code=1)


def test_a_folder_that_is_no_head_is_an_error(predict: FerStage) -> None:
    message = predict(save(people(1), "one.png"), run="nowhere", code=1)
    assert "no trained run at nowhere" in message
    assert message.rstrip().endswith("Run `fer-stage train --method METHOD --dataset DATASET` first")


def test_annotated_pictures_are_in_the_folder_and_in_the_rows(predict: FerStage) -> None:
    rows = predict(save(people(2), "two.png"), save(grey(), "empty.png"), "--annotate", "shown")
    assert [row["annotated"] for row in rows] == ["shown/two.jpg"] * 2 + [None]
    assert os.listdir("shown") == ["two.jpg"]
    with Image.open("shown/two.jpg") as picture:
        assert min(picture.size) >= min(people(2).size)
    assert not [name for name in os.listdir() if name not in ("shown", "two.png", "empty.png")]


def test_annotated_pictures_overwrite_nothing(predict: FerStage) -> None:
    save(people(1), "a/face.png")
    save(people(1, seed=1), "b/face.png")
    first = predict("a", "b", "--annotate", "shown")
    assert [row["annotated"] for row in first] == ["shown/face.jpg", "shown/face-2.jpg"]
    before = Path("shown/face.jpg").read_bytes()
    assert predict("b/face.png", "--annotate", "shown")[0]["annotated"] == "shown/face-3.jpg"
    assert Path("shown/face.jpg").read_bytes() == before


def test_annotated_pictures_never_replace_the_inputs(predict: FerStage) -> None:
    save(people(1), "photos/face.jpg")
    before = Path("photos/face.jpg").read_bytes()
    assert predict("photos/face.jpg", "--annotate", "photos")[0]["annotated"] == "photos/face-2.jpg"
    assert Path("photos/face.jpg").read_bytes() == before
    assert "expected a folder outside of photos" in predict("photos", "--annotate", "photos/shown", code=2)


def test_a_window_of_a_video_has_a_row_for_each_person(predict: FerStage) -> None:
    write_video(Path("clip.mp4"), [people(2).resize((416, 256))] * 30)
    save(people(1), "one.png")
    rows = predict("clip.mp4", "one.png")
    assert [(row.get("track"), row.get("start_s"), row.get("end_s")) for row in rows] == [
        (0, 0, 2),
        (1, 0, 2),
        (0, 1, 3),
        (1, 1, 3),
        (None, None, None),
    ]
    assert rows[0].keys() == KEYS | WINDOW_KEYS
    assert rows[-1].keys() == KEYS
    table = list(csv.DictReader(io.StringIO(predict("clip.mp4", "one.png", output_format="csv"))))
    assert [row["track"] for row in table] == ["0", "1", "0", "1", ""]
    assert table[0].keys() - {*KEYS} >= WINDOW_KEYS
    [clip] = predict("clip.mp4", "--per", "clip")
    assert (clip["start_s"], clip["end_s"], clip["n_frames"]) == (0, 2.9, 16)  # 3 / 16 s apart


def test_durations_are_understood_or_corrected(predict: FerStage) -> None:
    write_video(Path("clip.mp4"), [people(1).resize((256, 256))] * 10)
    assert [row["end_s"] for row in predict("clip.mp4", "--window", "500ms", "--step", ".5")] == [0.5, 1]
    assert "Did you mean 2s?" in predict("clip.mp4", "--window", "2sec", code=2)
    message = predict("clip.mp4", "--step", "3s", code=1)
    assert "expected at most the window, 2.0 s, found 3.0 s" in message
    assert "some windows would have no frame" in predict("clip.mp4", "--every", "3s", code=1)


def test_a_video_without_anybody_has_one_row(predict: FerStage) -> None:
    write_video(Path("clip.mp4"), [grey((128, 96))] * 30)
    [row] = predict("clip.mp4")
    assert (row["status"], row["start_s"], row["end_s"], row["n_frames"]) == ("no face", 0, 3, 15)
    assert predict("clip.mp4", "--per", "clip")[0]["status"] == "no face"


def test_a_playlist_that_is_called_video_is_not_opened(predict: FerStage) -> None:
    write_video(Path("clip.mp4"), [people(1).resize((256, 256))] * 11)
    Path("list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nclip.mp4\n")
    *_, row = predict("clip.mp4", "list.mp4")
    assert (row["image"], row["status"]) == ("list.mp4", "unreadable")
    assert row["reason"] == "not a video: a playlist or another text"


def test_videos_are_annotated_and_plotted(predict: FerStage) -> None:
    write_video(Path("clip.avi"), [people(1).resize((256, 256))] * 11, "mjpeg")
    write_video(Path("nobody.mp4"), [grey((64, 48))] * 3)
    rows = predict("clip.avi", "nobody.mp4", "--annotate", "shown", "--plot", "plots")
    assert [row["annotated"] for row in rows] == ["shown/clip.mp4", None]
    assert os.listdir("shown") == ["clip.mp4"]
    assert os.listdir("plots") == ["clip.svg"]
    assert predict("clip.avi", "--annotate", "shown", "--per", "frame")[0]["annotated"] == "shown/clip-2.mp4"
    assert "--plot: expected a folder outside of ." in predict(".", "--plot", "plots", code=2)


def test_a_progress_bar_on_the_terminal_leaves_the_data_on_stdout(head: str, empty: Path) -> None:
    """A terminal for stderr, a pipe for stdout; and not a word of the video's decoder on stderr."""
    whole = write_video(empty / "clip.avi", [people(1).resize((256, 256))] * 40, "mjpeg")
    ours, theirs = os.openpty()
    command = ["predict", str(cut(whole, 0.5)), "--run", head, "--format", "json", "--per", "frame"]
    code = "from stages.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=120
    )
    os.close(theirs)
    messages = os.read(ours, 65536).decode()
    os.close(ours)
    assert [row["status"] for row in json.loads(done.stdout)] == ["face", "face", "unreadable"]
    assert "videos 1, tracks 1, frames and pictures 3; rows with a face 2, without 0, unreadable 1" in messages
    assert "mjpeg" not in messages


def test_pictures_that_all_fail_for_one_reason_are_not_tried_to_the_last(
    predict: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("many").mkdir()
    for i in range(70):
        Path(f"many/{i:03d}.png").write_bytes(b"no picture")
    Image.new("RGB", (40, 40)).save("many/999.png")
    assert run(["predict", "many", "--format", "json", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 64
    assert "the first 64 are all rejected for one reason (many/000.png: not an image)" in err
    assert len(predict("many", "--max-rejected", "1")) == 71
    Image.new("RGB", (40, 40)).save("many/000.png")
    assert "69 of 71 pictures are unreadable" in predict("many", "--max-rejected", "0.5", code=3)


class TestFromPython:
    """`stages.predict`: what the command prints, as objects."""

    def test_the_frame_has_the_rows_and_columns_of_csv(self, predict: FerStage, head: str) -> None:
        Path("letter.jpg").write_text("no picture")
        names = [save(people(2), "two.png"), save(grey(), "empty.png"), "letter.jpg"]
        printed = list(csv.DictReader(io.StringIO(predict(*names, output_format="csv"))))
        result = stages.predict(names, run=Path(head))
        frame = result.frame
        assert list(frame) == list(printed[0])
        assert list(frame["status"]) == [row["status"] for row in printed] == ["face", "face", "no face", "unreadable"]
        for name in ("x", "width", "score", "probability", *CLASSES):
            np.testing.assert_allclose(frame[name], [float(row[name] or "nan") for row in printed], atol=0.06)
        assert frame["frame"].isna().all()
        assert all(isinstance(one, Prediction) for one in result.predictions)
        assert (result.summary()["pictures"], result.summary()["faces"], result.summary()["unreadable"]) == (3, 2, 1)
        assert "<table" in result._repr_html_()

    def test_frames_of_a_video_are_whole_numbers(self, head: str, empty: Path) -> None:
        write_video(Path("clip.avi"), [people(1).resize((256, 256))] * 11, "mjpeg")
        result = stages.predict([save(people(1), "one.png"), Path("clip.avi")], run=Path(head), per="frame")
        assert result.frame["frame"].tolist()[1:] == [0, 10]
        assert result.frame["frame"].isna()[0]
        assert "track" not in result.frame

    def test_windows_of_a_video_are_rows_with_whole_tracks(self, head: str, empty: Path) -> None:
        write_video(Path("clip.avi"), [people(1).resize((256, 256))] * 21, "mjpeg")
        result = stages.predict(
            [save(people(1), "one.png"), Path("clip.avi")],
            run=Path(head),
            window="1s",
            annotate=Path("shown"),
            plot="plots",
        )
        assert result.frame["track"].tolist()[1:] == [0, 0, 0]
        assert result.frame["start_s"].tolist()[1:] == [0, 1, 2]
        assert [str(path) for path in result.annotated] == ["shown/one.jpg"] + ["shown/clip.mp4"] * 3
        assert [str(path) for path in result.plots] == ["plots/clip.svg"]
        assert (result.summary()["videos"], result.summary()["tracks"]) == (1, 1)

    def test_notes_are_those_of_the_command(self, head: str, empty: Path) -> None:
        save(people(1), "photos/one.png")
        Path("photos/notes.txt").touch()
        notes = stages.predict("photos", run=Path(head)).notes
        assert any("not on aligned faces" in note for note in notes)
        assert any("left out: 1 .txt" in note for note in notes)

    def test_what_ends_the_command_is_raised_with_an_example(self, head: str, empty: Path) -> None:
        Path("letter.jpg").write_text("no picture")
        with pytest.raises(CheckFailedError, match=r"nothing could be read \(letter\.jpg: not an image\)"):
            stages.predict("letter.jpg", run=Path(head))
        Path("many").mkdir()
        for i in range(64):
            Path(f"many/{i:03d}.png").write_bytes(b"no picture")
        with pytest.raises(DatasetError, match="the first 64 are all rejected for one reason"):
            stages.predict("many", run=Path(head))

    def test_pictures_with_labels_never_become_inputs(self, head: str, empty: Path) -> None:
        save(people(1), "photos/one.png")
        with pytest.raises(ParamsError, match="expected a folder outside of photos"):
            stages.predict("photos", run=Path(head), annotate=Path("photos/shown"))
