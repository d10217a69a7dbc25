"""FIFOs, devices and endless files are no inputs: every reader refuses them at once, and waits for no writer."""

from __future__ import annotations

import io
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from videos import every, write_video

from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import FolderRoot, open_root
from pipeline.datasets.roots.spool import Spool
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.weights import require_file
from pipeline.errors import ChangedImageError, ConfigError, DatasetError, EncoderError, ImageError
from pipeline.images.reading import ImageRow, read_image
from pipeline.predict.inputs import find_inputs, input_images
from pipeline.predict.lazy_images import video_frames
from pipeline.predict.windows import VideoOptions
from pipeline.regular_files import RefusedFileError, open_regular, read_regular, read_within
from stages.errors import ParamsError
from stages.params import load_params

ZERO = Path("/dev/zero")


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """A reader that waits for a writer fails after some seconds."""

    def give_up(*_: Any) -> None:
        raise AssertionError("a reader waits for a file that has no end")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def png(shade: int = 9) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


class TestOneFile:
    def test_a_fifo_and_a_device_are_refused_with_what_they_are(self, fifo: Path) -> None:
        for path, kind in ((fifo, "a FIFO"), (ZERO, "a device"), (fifo.parent, "a folder")):
            with pytest.raises(RefusedFileError, match=f"not a regular file: found {kind}"):
                open_regular(path)

    def test_a_link_to_a_regular_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"content")
        (tmp_path / "link").symlink_to("a")
        assert read_regular(tmp_path / "link", 7) == b"content"

    def test_a_regular_file_that_claims_no_bytes_is_read_up_to_the_limit(self) -> None:
        assert read_regular(Path("/proc/self/status"), 100_000).startswith(b"Name:")
        with pytest.raises(RefusedFileError, match="at most 10 bytes, found more than that"):
            read_regular(Path("/proc/self/status"), 10)

    @pytest.mark.parametrize("size", [0, 5, 9, 10, 11, 100])
    @pytest.mark.parametrize("chunk_size", [1, 4, 100])
    def test_whatever_a_size_claims_the_bytes_are_the_same(self, size: int, chunk_size: int) -> None:
        assert read_within(io.BytesIO(b"0123456789"), 10, size, chunk_size=chunk_size) == b"0123456789"
        with pytest.raises(RefusedFileError, match="at most 9 bytes"):
            read_within(io.BytesIO(b"0123456789"), 9, size, chunk_size=chunk_size)

    def test_no_handle_stays_open(self, fifo: Path) -> None:
        n_open = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with pytest.raises(RefusedFileError):
                open_regular(fifo)
        assert len(os.listdir("/proc/self/fd")) == n_open


class TestDatasets:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A list that names a picture, a FIFO, a link to it, a folder, and a link to a device outside."""
        folder = tmp_path / "root"
        folder.mkdir()
        (folder / "a.png").write_bytes(png())
        os.mkfifo(folder / "pipe.png")
        (folder / "link.png").symlink_to("pipe.png")
        (folder / "zero.png").symlink_to(ZERO)
        (folder / "folder.png").mkdir()
        names = ("a", "pipe", "link", "zero", "folder")
        (folder / "labels.csv").write_text("path,label\n" + "".join(f"{name}.png,happy\n" for name in names))
        return folder

    def test_each_is_a_rejected_row_with_its_reason(self, folder: Path) -> None:
        table = index_dataset("d", "csv", folder, {})
        assert dict(zip(table.frame["path"], table.frame["reason"], strict=True)) == {
            "a.png": "",
            "folder.png": "not a regular file: found a folder",
            "link.png": "not a regular file: found a FIFO",
            "pipe.png": "not a regular file: found a FIFO",
            "zero.png": "link leaves the root",
        }

    def test_those_in_class_folders_are_rejected_rows_too(self, tmp_path: Path) -> None:
        (tmp_path / "happy").mkdir()
        (tmp_path / "happy/a.png").write_bytes(png())
        os.mkfifo(tmp_path / "happy/b.png")
        table = index_dataset("d", "folder", tmp_path, {})
        assert list(table.frame["reason"]) == ["", "not a regular file: found a FIFO"]

    def test_a_device_inside_a_root_is_no_image(self) -> None:
        with pytest.raises(ImageError, match=r"^not a regular file: found a device$"):
            FolderRoot(Path("/dev")).read("zero")

    def test_an_image_that_became_a_fifo_since_it_was_indexed_is_another_dataset(self, folder: Path) -> None:
        with (
            open_root(folder) as root,
            pytest.raises(ChangedImageError, match=r"now: not a regular file: found a FIFO"),
        ):
            read_image(root, ImageRow(0, "pipe.png", "0" * 64))

    def test_a_list_that_is_a_link_to_a_fifo_is_an_error(self, folder: Path) -> None:
        (folder / "labels.csv").unlink()
        (folder / "labels.csv").symlink_to("pipe.png")
        with pytest.raises(DatasetError, match=r"labels\.csv: not a regular file: found a FIFO"):
            index_dataset("d", "csv", folder, {})

    @pytest.mark.parametrize("path", ["fifo", ZERO])
    def test_a_root_that_is_none_is_an_error(self, fifo: Path, path: str | Path) -> None:
        with pytest.raises(DatasetError, match=r"found neither a folder nor a file"):
            open_root(fifo.parent / path)
        with pytest.raises(DatasetError, match=r"not a regular file"):
            Spool(fifo.parent / path)


class TestPredict:
    @pytest.mark.parametrize("name", ["a.png", "a.mp4"])
    def test_what_is_named_is_a_row_that_cannot_be_read(self, tmp_path: Path, name: str) -> None:
        os.mkfifo(tmp_path / name)
        (tmp_path / f"zero-{name}").symlink_to(ZERO)
        images = list(input_images(find_inputs([tmp_path / name, tmp_path / f"zero-{name}"]).paths))
        assert len(images) == 2
        for image, kind in zip(images, ("a FIFO", "a device"), strict=True):
            with pytest.raises(ImageError, match=rf"^not a regular file: found {kind}$"):
                image.load()

    def test_those_in_a_folder_are_left_out_and_counted(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png())
        os.mkfifo(tmp_path / "b.png")
        (tmp_path / "c.mp4").symlink_to(ZERO)
        inputs = find_inputs([tmp_path])
        assert inputs.paths == (tmp_path / "a.png",)
        assert inputs.ignored == {"not a regular file": 2}

    def test_the_command_ends_with_a_reason(self, tmp_path: Path, fer_stage: Callable[..., Any]) -> None:
        os.mkfifo(tmp_path / "a.png")
        assert "nothing could be read" in fer_stage("predict", str(tmp_path / "a.png"), "--device", "cpu", code=3)

    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXTINF:1\npipe.ts\n\0",
            "ffconcat version 1.0\nfile pipe.ts\n\0",
            "v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 26\n",
        ],
    )
    def test_a_play_list_opens_no_other_file(self, tmp_path: Path, text: str) -> None:
        os.mkfifo(tmp_path / "pipe.ts")
        (tmp_path / "a.mp4").write_text(text)
        [image] = video_frames(tmp_path / "a.mp4", every(1.0))
        with pytest.raises(ImageError, match=r"^not a video: a playlist or another text$"):
            image.load()

    @pytest.mark.parametrize("every_s", [float("nan"), float("inf"), -1.0])
    def test_an_interval_that_is_no_time_is_an_error_at_once(self, every_s: float) -> None:
        with pytest.raises(ConfigError, match=r"expected seconds between frames, 0 or more, found"):
            VideoOptions(every_s=every_s)


class TestOptions:
    @pytest.mark.parametrize(
        ("words", "option"),
        [
            (("predict", "a.png", "--every"), "--every"),
            (("predict", "a.png", "--max-rejected"), "--max-rejected"),
            (("extract", "--dataset", "x", "--margin"), "--margin"),
            (("align", "--dataset", "x", "--max-rejected"), "--max-rejected"),
            (("store", "verify", "x", "--min-cosine"), "--min-cosine"),
        ],
    )
    @pytest.mark.parametrize("value", ["nan", "inf"])
    def test_nan_and_infinity_are_refused(
        self, words: tuple[str, ...], option: str, value: str, fer_stage: Callable[..., Any]
    ) -> None:
        message = fer_stage(*words, value, code=2)
        assert option in message
        assert value in message

    @pytest.mark.parametrize("value", [".nan", ".inf", "1" * 5000, "2024-13-45", "["])
    def test_a_value_of_a_method_that_is_none_is_an_error(self, value: str, fer_stage: Callable[..., Any]) -> None:
        command = ("train", "--method", "linear-probe", "--dataset", "x", "--option", f"lr={value}")
        assert "--option 'lr=" in fer_stage(*command, code=1)


class TestOtherFiles:
    def test_weights_and_their_digests(self, fifo: Path) -> None:
        with pytest.raises(EncoderError, match=r"not a regular file"):
            file_sha256(fifo)
        with pytest.raises(EncoderError, match=r"no file at"):
            require_file(fifo, "weights")

    @pytest.mark.parametrize("path", ["fifo", ZERO])
    def test_params(self, fifo: Path, path: str | Path) -> None:
        with pytest.raises(ParamsError, match=r"expected a YAML file, found no regular file"):
            load_params(fifo.parent / path)


class TestSpoolFolder:
    @pytest.fixture
    def temporary(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "temporary"
        folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        return folder

    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        import tarfile

        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo("a.png")
            info.size = len(png())
            archive.addfile(info, io.BytesIO(png()))
        return tmp_path / "x.tar.gz"

    @pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
    def test_no_other_user_can_enter_it(self, temporary: Path, archive: Path, mask: int) -> None:
        before = os.umask(mask)
        try:
            with open_root(archive) as root:
                [folder] = temporary.iterdir()
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
                assert root.read("a.png") == png()
        finally:
            os.umask(before)
        assert list(temporary.iterdir()) == []

    def test_what_others_planted_is_neither_followed_nor_removed(
        self, temporary: Path, archive: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious/archive.tar").write_bytes(b"mine")
        (tmp_path / "precious").chmod(0o700)
        (temporary / "fer-stage-spool-link").symlink_to(tmp_path / "precious")
        (temporary / "fer-stage-spool-file.tar").write_bytes(b"file")
        (temporary / "fer-stage-spool-open").mkdir(mode=0o777)
        (temporary / "fer-stage-spool-open").chmod(0o777)
        os.mkfifo(temporary / "fer-stage-spool-fifo")
        planted = sorted(temporary.iterdir())
        with open_root(archive) as root:
            assert root.read("a.png") == png()
        assert sorted(temporary.iterdir()) == planted
        assert (tmp_path / "precious/archive.tar").read_bytes() == b"mine"

    def test_what_a_killed_process_left_is_removed(self, temporary: Path, archive: Path) -> None:
        orphan = temporary / "fer-stage-spool-orphan"
        orphan.mkdir(mode=0o700)
        (orphan / "archive.tar").write_bytes(b"left")
        with open_root(archive):
            assert not orphan.exists()


def test_a_video_with_huge_frames_is_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.mp4", [Image.new("RGB", (64, 48))] * 3)
    assert len(list(video_frames(tmp_path / "a.mp4", every(1e-320)))) == 3
    monkeypatch.setattr("pipeline.images.decode.MAX_PIXELS", 3000)
    [image] = video_frames(tmp_path / "a.mp4", every(1.0))
    with pytest.raises(ImageError, match=r"^frames are too large: at most 3,000 pixels, found 64 x 48$"):
        image.load()
