"""Frames of videos in roots: read in place, in threads, and known by their video's digest."""

from __future__ import annotations

import hashlib
import os
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_videos import audio_only, number_of, numbered_frames, write_video

from pipeline.datasets.digests import FileDigests
from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.containers import row_text
from pipeline.datasets.scan_record import ScanRecord
from pipeline.errors import ChangedImageError, DatasetError, ImageError
from pipeline.images.decode import decode_picture
from pipeline.images.reading import ImageRow, read_image
from pipeline.progress import silent
from pipeline.video.identity import decoder_version, frame_sha256
from pipeline.video.opening import OpenVideo

N = 40


def name_of(number: int, video: str = "clips/a.mp4") -> str:
    return f"{video}::{row_text(number)}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / "root"
    (folder / "clips").mkdir(parents=True)
    write_video(folder / "clips/a.mp4", numbered_frames(N), options={"g": "10"})
    write_video(folder / "clips/b.avi", numbered_frames(20))
    return folder


def in_tar(folder: Path) -> Path:
    with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
        archive.add(folder, ".")
    return folder.with_suffix(".tar")


def in_zip(folder: Path, compression: int) -> Path:
    path = folder.with_suffix(f".{compression}.zip")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return path


ROOTS: dict[str, Callable[[Path], Path]] = {
    "folder": lambda folder: folder,
    "tar": in_tar,
    "stored zip": lambda folder: in_zip(folder, zipfile.ZIP_STORED),
    "packed zip": lambda folder: in_zip(folder, zipfile.ZIP_DEFLATED),
}


def shown(data: bytes) -> int:
    return number_of(decode_picture(data))


@pytest.mark.parametrize("kind", ROOTS)
def test_frames_are_read_in_place(kind: str, folder: Path) -> None:
    with open_root(ROOTS[kind](folder)) as root:
        assert list(root.names()) == ["clips/a.mp4", "clips/b.avi"]
        assert root.video("clips/b.avi").n_frames == 20
        assert list(root.video("clips/b.avi").members())[-1] == "0000019"
        assert [shown(root.read(name_of(i))) for i in (0, 39, 17)] == [0, 39, 17]
        with pytest.raises(ImageError, match=r"^video has no such frame: it has 40$"):
            root.read(name_of(40))
        with pytest.raises(ImageError, match=r"^file is missing$"):
            root.read("clips/a.mp4::x")


def test_one_video_is_a_root(folder: Path) -> None:
    with open_root(folder / "clips/a.mp4") as root:
        assert list(root.names()) == ["a.mp4"]
        assert shown(root.read(name_of(3, "a.mp4"))) == 3


def test_a_frame_is_known_by_its_video_its_number_and_the_decoder(folder: Path) -> None:
    of_file = hashlib.sha256((folder / "clips/a.mp4").read_bytes())
    expected = hashlib.sha256(f"{of_file.hexdigest()}\n3\n{decoder_version()}".encode()).hexdigest()
    assert frame_sha256(of_file.digest(), 3) == expected
    with open_root(folder) as root:
        data = read_image(root, ImageRow(0, name_of(3), expected))
        assert shown(data) == 3
        with pytest.raises(ChangedImageError) as error:
            read_image(root, ImageRow(7, name_of(4), expected))
    assert str(error.value) == (
        f"clips/a.mp4::0000004 is not the frame that was indexed, or not as {decoder_version()} decodes it (row 7). "
        "Index the dataset again"
    )


def test_threads_read_one_video_at_once(folder: Path) -> None:
    with open_root(folder) as root, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda i: shown(root.read(name_of(i))), [*range(N), *range(N)])) == [*range(N), *range(N)]


def opened(root: object) -> int:
    """How many files of videos this process has open."""
    links = (os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _exists(name))
    return sum(link.endswith((".mp4", ".avi")) for link in links)


def _exists(name: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{name}")


def test_a_thread_keeps_one_decoder_of_all_videos(folder: Path) -> None:
    with open_root(folder) as root:
        before = opened(root)
        for number in range(12):
            root.read(name_of(number))
            root.read(name_of(number, "clips/b.avi"))
        assert opened(root) - before == 1


def test_the_decoder_of_a_thread_that_has_ended_is_taken_over(folder: Path) -> None:
    with open_root(folder) as root:
        before = opened(root)
        for number in (30, 3, 12):
            with ThreadPoolExecutor(1) as pool:
                assert shown(pool.submit(root.read, name_of(number)).result()) == number
        assert opened(root) - before == 1


def test_threads_that_share_a_video_leave_each_other_their_decoders(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of AVI are decoded from the first one on.

    One thread reads frames 0 to 4, the other one 8, which takes 9; the first goes on to 7 in 3 more. Then the second
    reads 9, where it was, and the first goes on where the second was, with 10 and 11: one more for each.
    """
    packets: list[object] = []
    decode = OpenVideo.decode
    monkeypatch.setattr(OpenVideo, "decode", lambda self, packet: packets.append(packet) or decode(self, packet))
    counts = []
    with open_root(folder) as root, ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        for thread, numbers in (
            (first, range(5)),
            (second, [8]),
            (first, range(5, 8)),
            (second, [9]),
            (first, [10, 11]),
        ):
            for number in numbers:
                data = thread.submit(root.read, name_of(number, "clips/b.avi")).result()
                assert shown(data) == number
            counts.append(len(packets))
    assert counts == [5, 14, 17, 18, 20]


def test_closed_roots_leave_no_video_open(folder: Path) -> None:
    before = opened(None)
    with open_root(folder) as root:
        root.read(name_of(1))
    assert opened(None) == before


def test_copies_and_forked_children_read_by_themselves(folder: Path) -> None:
    with open_root(folder) as root:
        assert shown(root.read(name_of(5))) == 5
        with pickle.loads(pickle.dumps(root)) as copy:
            assert shown(copy.read(name_of(6))) == 6
        if (child := os.fork()) == 0:
            os._exit(0 if shown(root.read(name_of(7))) == 7 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert shown(root.read(name_of(8))) == 8


def test_a_video_that_is_written_to_while_it_is_read_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered_frames(12))
    with open_root(tmp_path) as root:
        root.read(name_of(0, "a.mp4"))
        write_video(tmp_path / "a.mp4", numbered_frames(24)[12:])
        with pytest.raises(ImageError, match="video changed while it was read"):
            _ = root.video("a.mp4").file_sha256


class TestDigests:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write_video(tmp_path / "a.mp4", numbered_frames(12))
        write_video(tmp_path / "b.mkv", numbered_frames(9))
        (tmp_path / "empty.mp4").write_bytes(b"")
        audio_only(tmp_path / "sound.mp4")
        return tmp_path

    NAMES = (
        *(name_of(i, "a.mp4") for i in (0, 11, 12)),
        name_of(2, "b.mkv"),
        name_of(0, "empty.mp4"),
        "sound.mp4",
    )

    def scan(self, path: Path, previous: ScanRecord | None = None) -> tuple[FileDigests, list[str], list[str]]:
        digests = FileDigests(previous or ScanRecord.empty(), clock=lambda: 2**62)
        with open_root(path) as root:
            return digests, *digests.of(root, self.NAMES, silent)

    def test_of_frames_follow_from_that_of_their_video(self, root: Path) -> None:
        digests, sha256, reasons = self.scan(root)
        a, b = (hashlib.sha256((root / name).read_bytes()).digest() for name in ("a.mp4", "b.mkv"))
        assert sha256 == [frame_sha256(a, 0), frame_sha256(a, 11), "", frame_sha256(b, 2), "", ""]
        assert reasons == [
            *["", "", "video has no such frame: it has 12", ""],
            *["not a video: the file is empty", "video has no pictures"],
        ]
        assert (digests.counts.files, digests.counts.read, digests.has_frames) == (4, 4, True)

    def test_a_second_scan_reads_videos_that_changed_alone(self, root: Path, tmp_path: Path) -> None:
        import pyarrow.parquet as pq

        first, *result = self.scan(root)
        record = first.record()
        assert record is not None
        pq.write_table(record.to_arrow(root), root / "x.scan")
        record = ScanRecord.read(root / "x.scan", root)
        assert sorted(record.paths.to_pylist()) == ["a.mp4", "b.mkv"]
        again, *same = self.scan(root, record)
        assert same == result
        assert again.counts.read == 2  # those that cannot be opened are tried again
        write_video(root / "b.mkv", numbered_frames(2))
        changed, _, reasons = self.scan(root, record)
        assert changed.counts.read == 3
        assert reasons[3] == "video has no such frame: it has 2"

    def test_frames_of_unchanged_videos_are_not_counted_again(self, root: Path) -> None:
        first, *_ = self.scan(root)
        record = first.record()
        assert record is not None
        second = FileDigests(record)
        with open_root(root) as files:
            assert [second.n_frames(files, name) for name in ("a.mp4", "b.mkv")] == [12, 9]
            assert "a.mp4" not in files._containers._open  # it was not opened
            with pytest.raises(ImageError, match="video has no pictures"):
                second.n_frames(files, "sound.mp4")


def test_a_lost_root_is_an_error_and_no_rejected_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "root.mp4", numbered_frames(3))
    (tmp_path / "root").mkdir()
    (tmp_path / "root.mp4").rename(tmp_path / "root/a.mp4")
    with open_root(tmp_path / "root") as root:
        (tmp_path / "root").rename(tmp_path / "gone")
        with pytest.raises(DatasetError, match="was a folder and is gone"):
            root.read(name_of(0, "a.mp4"))


def test_videos_are_decoded_by_threads_that_end(folder: Path) -> None:
    with open_root(folder) as root:
        for number in range(3):
            thread = threading.Thread(target=root.read, args=(name_of(number),))
            thread.start()
            thread.join()
        assert shown(root.read(name_of(3))) == 3
