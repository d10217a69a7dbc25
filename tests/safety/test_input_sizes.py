"""Files of datasets that are larger than they look: limits hold before memory is taken, and say what they are."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipeline.datasets.reading.listfile
import pipeline.datasets.roots.archives
import pipeline.datasets.roots.files
import pipeline.datasets.roots.spool
import pipeline.images.rgb
from pipeline.datasets.index import index_dataset
from pipeline.datasets.reading.listfile import read_table
from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.files import MAX_IMAGE_BYTES
from pipeline.errors import DatasetError, ImageError
from pipeline.images.decode import decode
from pipeline.predict.lazy_images import lazy_file

GIGABYTES = 3 * 10**9
LITTLE = 40_000_000  # bytes of memory


@contextmanager
def little_memory(limit: int = LITTLE) -> Iterator[None]:
    """What is inside takes little memory of Python and numpy, and little time."""
    start = time.monotonic()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit
    assert time.monotonic() - start < 20


def png(shade: int = 9) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


def sparse(path: Path, size: int = GIGABYTES) -> Path:
    """A file that claims many bytes and takes none of the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def tar_with_sparse_member(path: Path, name: str) -> Path:
    """A tar of one small picture and one member of gigabytes, a hole in the file."""
    with path.open("wb") as file:
        for member, data in (("happy/a.png", png()), (name, None)):
            info = tarfile.TarInfo(member)
            info.size = GIGABYTES if data is None else len(data)
            file.write(info.tobuf())
            end = file.tell() + info.size + -info.size % 512
            file.write(data or b"")
            file.truncate(end)
            file.seek(end)
        file.write(bytes(1024))
    return path


def claiming(path: Path, method: int, data: bytes, size: int) -> Path:
    """A zip whose last member, `b.png`, holds `data` and claims to be of another size."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("happy/a.png", png())
        archive.writestr("happy/b.png", data)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def zip_of(path: Path, *names: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, png())
    return path


def tar_of(path: Path, *names: str, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(png())
            archive.addfile(info, io.BytesIO(png()))
    return path


class TestOneImage:
    """Of one image that is too large a rejected row is made, and of the others good ones."""

    @pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
    def test_gigabytes_are_a_counted_rejection_that_states_limit_and_size(self, tmp_path: Path, kind: str) -> None:
        if kind == "folder":
            sparse(tmp_path / "root/happy/b.png")
            (tmp_path / "root/happy/a.png").write_bytes(png())
            root = tmp_path / "root"
        elif kind == "tar":
            root = tar_with_sparse_member(tmp_path / "x.tar", "happy/b.png")
        else:
            root = claiming(tmp_path / "x.zip", zipfile.ZIP_DEFLATED, png(1), GIGABYTES)
        with little_memory():
            table = index_dataset("d", "folder", root, {})
        assert dict(zip(table.frame["path"], table.frame["reason"], strict=True)) == {
            "happy/a.png": "",
            "happy/b.png": "file is too large: at most 268 MB, found 3,000 MB",
        }

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_member_that_unpacks_to_more_than_it_claims_is_read_no_further(self, tmp_path: Path, method: int) -> None:
        path = claiming(tmp_path / "x.zip", method, bytes(2**25), 1000)
        # zipfile unpacks some kilobytes of LZMA at once, of zeros seven thousand times as many.
        with open_root(path) as root, little_memory(2**27 if method == zipfile.ZIP_LZMA else 2**24):
            with pytest.raises(ImageError, match=r"^file cannot be read$|^file is too large: at most 2,000 bytes"):
                root.read("happy/b.png", 2000)
            assert root.read("happy/a.png") == png()

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_member_is_whole_up_to_the_limit_and_refused_above_it(self, tmp_path: Path, method: int) -> None:
        data = np.random.default_rng(0).bytes(300_000)
        with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
            archive.writestr("b.png", data)
        with open_root(tmp_path / "x.zip") as root:
            assert root.read("b.png", 300_000) == data
            with pytest.raises(ImageError, match=r"^file is too large: at most 299,999 bytes, found 300,000 bytes$"):
                root.read("b.png", 299_999)

    def test_what_predict_names_has_the_same_limit(self, tmp_path: Path) -> None:
        image = lazy_file(sparse(tmp_path / "a.png"))
        with little_memory(), pytest.raises(ImageError, match=r"^file is too large: at most 268 MB, found 3,000 MB$"):
            image.load()

    def test_real_pictures_are_far_below_the_limit(self) -> None:
        assert MAX_IMAGE_BYTES > 4 * 50_000_000

    def test_labels_of_affectnet_are_small_files(self, tmp_path: Path) -> None:
        sparse(tmp_path / "root/train_set/annotations/0_exp.npy")
        with little_memory(), pytest.raises(DatasetError, match=r"found 1 other or damaged files: .*0_exp\.npy"):
            index_dataset("d", "affectnet", tmp_path / "root", {})


class TestPixels:
    @pytest.mark.parametrize(
        ("mode", "kind"), [("RGBA", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("F", "TIFF"), ("I;16", "PNG"), ("I", "TIFF")]
    )
    def test_rows_that_are_done_some_at_a_time_give_the_same_picture(
        self, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
    ) -> None:
        noise = np.random.default_rng(0)
        values = {
            "F": noise.random((64, 48), np.float32),
            "I": noise.integers(0, 65536, (64, 48), np.int32),
            "I;16": noise.integers(0, 65536, (64, 48), np.uint16),
        }
        image = Image.fromarray(values.get(mode, noise.integers(0, 256, (64, 48, 4), np.uint8)))
        if mode not in values:
            image = image.convert("RGB").quantize(16) if mode == "P" else image.convert(mode)
        out = io.BytesIO()
        image.save(out, kind, **({"transparency": 3} if mode == "P" else {}))
        whole = decode(out.getvalue())
        monkeypatch.setattr(pipeline.images.rgb, "_BAND_PIXELS", 500)
        assert len({row.tobytes() for row in whole}) > 32
        np.testing.assert_array_equal(decode(out.getvalue()), whole)

    def test_floats_take_little_more_memory_than_the_picture_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        out = io.BytesIO()
        Image.fromarray(np.full((2000, 2000), 0.5, np.float32)).save(out, "TIFF", compression="tiff_lzw")
        monkeypatch.setattr(pipeline.images.rgb, "_BAND_PIXELS", 100_000)
        with little_memory(30_000_000):
            pixels = decode(out.getvalue())
        assert pixels.shape == (2000, 2000, 3)
        assert set(np.unique(pixels)) <= {127, 128}  # half of white

    def test_formats_with_hungry_decoders_have_a_limit_of_their_own(self) -> None:
        out = io.BytesIO()
        Image.new("RGB", (8000, 6000)).save(out, "WEBP", lossless=True, method=0, quality=0)
        with pytest.raises(ImageError, match=r"at most 40,000,000 pixels, found 8000 x 6000$"):
            decode(out.getvalue())


class TestArchives:
    def test_too_many_members_are_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pipeline.datasets.roots.archives, "MAX_MEMBERS", 2)
        for path in (zip_of(tmp_path / "x.zip", "a", "b", "c"), tar_of(tmp_path / "x.tar", "a", "b", "c")):
            with pytest.raises(DatasetError, match=r"expected at most 2 members, found more"):
                open_root(path)

    def test_a_name_that_no_disk_could_hold_is_an_error(self, tmp_path: Path) -> None:
        name = "a/" * 3000 + "b.png"
        for path in (zip_of(tmp_path / "x.zip", name), tar_of(tmp_path / "x.tar", name)):
            with pytest.raises(DatasetError, match=r"at most 4,096 characters, found one of 6,005") as caught:
                open_root(path)
            assert len(str(caught.value)) < 500

    def test_a_header_that_claims_gigabytes_is_not_read(self, tmp_path: Path) -> None:
        info = tarfile.TarInfo("name")
        info.type, info.size = tarfile.XHDTYPE, GIGABYTES
        path = sparse(tmp_path / "x.tar", GIGABYTES + 2048)
        with path.open("r+b") as file:
            file.write(info.tobuf())
        with little_memory(), pytest.raises(DatasetError, match=r"a part of 3,000 MB, where at most 1 MB are read"):
            open_root(path)

    def test_a_directory_that_claims_gigabytes_is_not_read(self, tmp_path: Path) -> None:
        path = sparse(tmp_path / "x.zip")
        with path.open("r+b") as file:
            file.write(b"PK\x03\x04")
            file.seek(0, 2)
            file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, GIGABYTES - 1000, 1000, 0))
        with little_memory(), pytest.raises(DatasetError, match=r"a part of 3,000 MB, where at most 537 MB are read"):
            open_root(path)

    def test_a_tar_with_a_size_below_zero_ends(self, tmp_path: Path) -> None:
        first, second = tarfile.TarInfo("a.png"), tarfile.TarInfo("b.png")
        second.size = -1024
        path = tmp_path / "x.tar"
        path.write_bytes(first.tobuf() + second.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with little_memory(), pytest.raises(DatasetError, match=r"damaged or cut off"):
            open_root(path)

    def test_members_of_a_zip_that_share_their_bytes_are_refused(self, tmp_path: Path) -> None:
        path = zip_of(tmp_path / "x.zip", "a.png", "b.png")
        content = bytearray(path.read_bytes())
        for entry in (content.index(b"PK\x01\x02"), content.rindex(b"PK\x01\x02")):
            content[entry + 20 : entry + 24] = struct.pack("<I", len(content) - 40)
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"its members overlap, or are larger than the file"):
            open_root(path)

    def test_a_zip_with_a_name_that_is_no_text_is_an_error_of_ours(self, tmp_path: Path) -> None:
        path = zip_of(tmp_path / "x.zip", "ä.png")
        path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xff"))
        with pytest.raises(DatasetError, match=r"expected a whole zip archive"):
            open_root(path)


class TestSpool:
    @pytest.fixture(autouse=True)
    def _own_temporary_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
        monkeypatch.setattr(pipeline.datasets.roots.spool, "ALWAYS_ALLOWED", 100_000)

    def test_much_more_than_its_size_is_an_error_with_the_way_out(self, tmp_path: Path) -> None:
        path = tmp_path / "x.tar.gz"
        path.write_bytes(gzip.compress(bytes(20_000_000)))
        with pytest.raises(DatasetError, match=r"at most 4 MB unpacked, 200 times its size, found more.*by hand"):
            open_root(path)
        assert list((tmp_path / "temporary").iterdir()) == []

    def test_a_disk_that_would_be_filled_is_an_error_with_the_way_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "x.tar.gz"
        path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(2_000_000)))
        monkeypatch.setattr(pipeline.datasets.roots.spool, "FREE_BYTES", 10**18)
        with pytest.raises(DatasetError, match=r"expected room for it in .*temporary, found less than .* TMPDIR .*"):
            open_root(path)
        assert list((tmp_path / "temporary").iterdir()) == []

    def test_a_dataset_of_tiny_files_is_no_bomb(self, tmp_path: Path) -> None:
        names = [f"train_set/annotations/{i}_exp.npy" for i in range(2000)]
        with open_root(tar_of(tmp_path / "x.tar.gz", *names, mode="w:gz")) as root:
            assert len(root.names()) == 2000


class TestLists:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "a.png").write_bytes(png())
        return tmp_path

    def test_a_sparse_list_is_an_error_with_its_line(self, folder: Path) -> None:
        sparse(folder / "labels.csv")
        with (
            little_memory(),
            pytest.raises(DatasetError, match=r"labels\.csv, line 1: expected at most 1,048,576 characters"),
        ):
            index_dataset("d", "csv", folder, {})

    def test_a_sparse_list_of_raf_db_is_an_error(self, folder: Path) -> None:
        sparse(folder / "EmoLabel/list_patition_label.txt")
        with little_memory(), pytest.raises(DatasetError, match=r"file is too large: at most 67 MB, found 3,000 MB"):
            index_dataset("d", "raf-db", folder, {})

    @pytest.mark.parametrize(
        ("name", "limit", "text"),
        [("roots.files.MAX_LIST_BYTES", 60, "60 bytes"), ("reading.listfile.MAX_ROWS", 2, "2 rows")],
    )
    def test_a_long_list_is_an_error_that_states_the_limit(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, text: str
    ) -> None:
        (folder / "labels.csv").write_text("path,label\n" + "a.png,happy\n" * 5)
        monkeypatch.setattr(f"pipeline.datasets.{name}", limit)
        with pytest.raises(DatasetError, match=rf"labels\.csv: expected .*at most {text}, found more"):
            index_dataset("d", "csv", folder, {})

    def test_a_long_list_is_not_held_as_a_whole(self, folder: Path) -> None:
        """20 MB of which two short columns are read; the text alone would be 80 MB to a csv reader."""
        line = "a.png,happy," + "0.123456;" * 1000 + "\n"
        (folder / "labels.csv").write_text("path,label,landmarks\n" + line * 2200)
        with open_root(folder) as root, little_memory(10_000_000):
            assert len(read_table(root, "labels.csv", ("path", "label")).lines) == 2200

    @pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
    def test_lines_are_those_of_the_text(self, tmp_path: Path, kind: str) -> None:
        data = "\ufeffpath,label\r\na\u0308.png,x\rb,\u00e4\n\nc,d".encode()
        path = tmp_path / f"root.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
                archive.writestr("l.csv", data)
        elif kind == "tar":
            with tarfile.open(path, "w") as packed:
                info = tarfile.TarInfo("l.csv")
                info.size = len(data)
                packed.addfile(info, io.BytesIO(data))
        else:
            path.mkdir()
            (path / "l.csv").write_bytes(data)
        with open_root(path) as root:
            assert list(root.lines("l.csv")) == root.text("l.csv").splitlines(keepends=True)

    def test_a_damaged_list_in_a_zip_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        path = tmp_path / "x.zip"
        text = b"path,label\n" + b"".join(
            b"%s.png,happy\n" % hashlib.sha256(b"%d" % i).hexdigest().encode() for i in range(4000)
        )
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("labels.csv", text)
        content = bytearray(path.read_bytes())
        content[100_000] ^= 1
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"labels\.csv is damaged or cut off: Bad CRC-32"):
            index_dataset("d", "csv", path, {})

    @pytest.mark.parametrize("value", ["1e300", "inf", "nan", "1e16", "x"])
    def test_a_frame_that_no_table_can_hold_is_an_error_with_its_line(self, folder: Path, value: str) -> None:
        (folder / "labels.csv").write_text(f"path,label,frame\na.png,happy,{value}\n")
        with pytest.raises(DatasetError, match=r"line 2: frame: expected a whole number, found"):
            index_dataset("d", "csv", folder, {})
