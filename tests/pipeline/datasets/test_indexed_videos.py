"""Layouts of clips on real video files: rows are frames, in folders and archives, read again by the right number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tiny_videos import number_of, numbered_frames, write_video
from trees.tree import pack

from pipeline.datasets.digests import FileDigests
from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root
from pipeline.errors import AmbiguousLabelsError
from pipeline.images.decode import decode_picture


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Suffix -> a video of 12 frames that show their numbers."""
    folder = tmp_path_factory.mktemp("videos")
    return {
        suffix: write_video(folder / f"clip{suffix}", numbered_frames(12)).read_bytes() for suffix in (".mp4", ".flv")
    }


def numbers_of(root: Path, paths: list[str]) -> list[int]:
    """What the frames of these rows show."""
    with open_root(root) as files:
        return [number_of(decode_picture(files.read(path))) for path in paths]


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_ravdess_rows_are_the_frames_that_they_name(kind: str, videos: Mapping[str, bytes], tmp_path: Path) -> None:
    """Centres of four segments of twelve frames: 1, 4, 7 and 10."""
    root = pack({"Actor_01/01-01-03-01-01-01-01.mp4": videos[".mp4"]}, tmp_path, kind)
    frame = index_dataset("d", "ravdess", root, {"max_frames": 4}).frame
    assert frame["frame"].tolist() == [1, 4, 7, 10]
    assert frame["path"].tolist() == [f"Actor_01/01-01-03-01-01-01-01.mp4::{i:07d}" for i in (1, 4, 7, 10)]
    assert numbers_of(root, frame["path"].tolist()) == [1, 4, 7, 10]


def test_crema_d_reads_flv_and_rejects_what_is_no_video(videos: Mapping[str, bytes], tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    files = {"VideoFlash/1001_DFA_ANG_XX.flv": videos[".flv"], "VideoFlash/1002_DFA_SAD_XX.flv": pointer}
    root = pack(files, tmp_path, "folder")
    table = index_dataset("d", "crema-d", root, {"max_frames": 0})
    usable = table.usable
    assert numbers_of(root, usable["path"].tolist()) == list(range(12))
    rejected = table.frame[table.frame["status"] == "rejected"]
    assert rejected[["clip", "reason"]].to_numpy().tolist() == [
        ["1002_DFA_SAD_XX", "not a video: a playlist or another text"]
    ]


def test_listed_videos_and_folders_of_frames_are_clips_of_one_table(
    videos: Mapping[str, bytes], tmp_path: Path
) -> None:
    frames = {f"x/b/{i}.png": data for i, data in enumerate(pictures(tmp_path))}
    files = {"x/a.mp4": videos[".mp4"], "list.txt": b"x/a 99 happy\nx/b.avi 3 sad\n", **frames}
    root = pack(files, tmp_path / "root", "folder")
    notes: list[str] = []
    first = FileDigests(clock=lambda: time.time_ns() + 10**11)  # for which all files are old
    table = index_dataset(
        "d", "clips", root, {"max_frames": 2}, lambda progress: notes.append(progress.note), digests=first
    )
    assert table.units[["clip", "label"]].to_numpy().tolist() == [["x/a", "happiness"], ["x/b.avi", "sadness"]]
    assert any(note.startswith("list states other numbers of frames for 1 of 2 clips, first 'x/a'") for note in notes)
    record = first.record()
    assert record is not None
    second = FileDigests(record)
    again = index_dataset("d", "clips", root, {"max_frames": 2}, digests=second)
    assert again.to_arrow().equals(table.to_arrow(), check_metadata=True)
    assert second.counts.read == 0


def pictures(folder: Path) -> list[bytes]:
    """Three different pictures."""
    video = write_video(folder / "source.mp4", numbered_frames(3))
    with open_root(pack({"v.mp4": video.read_bytes()}, folder / "source", "folder")) as files:
        return [files.read(f"v.mp4::{i:07d}") for i in range(3)]


def test_numbers_in_class_folders_of_videos_are_shown_by_a_frame(videos: Mapping[str, bytes], tmp_path: Path) -> None:
    root = pack({"0/a.mp4": videos[".mp4"], "1/b.mp4": videos[".mp4"]}, tmp_path, "folder")
    with pytest.raises(AmbiguousLabelsError) as caught:
        index_dataset("d", "clips", root, {})
    assert caught.value.examples == {"0": ["0/a.mp4::0000000"], "1": ["1/b.mp4::0000000"]}
    assert numbers_of(root, ["0/a.mp4::0000000"]) == [0]


def test_equal_videos_are_in_one_split(videos: Mapping[str, bytes], tmp_path: Path) -> None:
    files = {f"{label}/{i}.mp4": videos[".mp4"] for label in ("happy", "sad") for i in range(4)}
    table = index_dataset("d", "clips", pack(files, tmp_path, "folder"), {"max_frames": 2})
    assert table.frame["split"].nunique() == 1
