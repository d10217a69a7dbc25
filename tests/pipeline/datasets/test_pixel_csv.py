"""Pictures that are rows of a csv: read in place, with bytes that depend on their pixels alone."""

from __future__ import annotations

import hashlib
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import KINDS, TREES, pack
from trees.fer2013 import pixels
from trees.tree import lines

from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root, pixel_csv
from pipeline.datasets.roots.pixel_csv import PixelCsv
from pipeline.errors import DatasetError, ImageError
from pipeline.images.decode import decode

HEADER = "emotion,pixels,Usage"


def read(data: bytes, folder: Path, member: str = "0000000") -> bytes:
    (folder / "fer2013.csv").write_bytes(data)
    with open_root(folder) as root:
        return root.read(f"fer2013.csv::{member}")


def members(data: bytes, folder: Path) -> list[str]:
    (folder / "fer2013.csv").write_bytes(data)
    with open_root(folder) as root:
        return list(root.container("fer2013.csv").members())


class TestBytes:
    def test_a_row_is_a_binary_pgm(self, tmp_path: Path) -> None:
        data = read(lines(HEADER, f"0,{pixels(7)},Training"), tmp_path)
        assert data == b"P5\n48 48\n255\n" + b"\x07" * 2304

    def test_the_digest_is_the_same_for_ever(self, tmp_path: Path) -> None:
        """The sha256 of the header above and of the bytes 0 to 255, nine times."""
        ramp = " ".join(str(i % 256) for i in range(2304))
        data = read(lines(HEADER, f"0,{ramp},Training"), tmp_path)
        expected = hashlib.sha256(b"P5\n48 48\n255\n" + bytes(range(256)) * 9).hexdigest()
        assert hashlib.sha256(data).hexdigest() == expected
        assert expected.startswith("76797c106efc5556")

    @settings(max_examples=25, deadline=None)
    @given(st.binary(min_size=2304, max_size=2304))
    def test_the_decoded_picture_has_the_pixels(self, grey: bytes) -> None:
        text = " ".join(map(str, grey))
        data = pixel_csv._HEADER + pixel_csv._grey_values(text)
        picture = decode(data)
        assert picture.shape == (48, 48, 3)
        assert np.array_equal(picture, np.repeat(np.frombuffer(grey, np.uint8).reshape(48, 48, 1), 3, axis=2))

    def test_numbers_may_have_zeros_in_front(self, tmp_path: Path) -> None:
        data = lines(HEADER, "0," + " ".join(["007", *["000"] * 2303]) + ",Training")
        assert read(data, tmp_path)[-2304:] == bytes([7, *[0] * 2303])

    @pytest.mark.parametrize(
        ("field", "reason"),
        [
            (pixels(1, 2303), "row has not 48 x 48 pixels"),
            (pixels(1, 2305), "row has not 48 x 48 pixels"),
            ("", "row has not 48 x 48 pixels"),
            (pixels(1, 2303) + " x", "pixels are not whole numbers"),
            (pixels(1, 2303) + " -1", "pixels are not whole numbers"),
            (pixels(1, 2303) + " 1.0", "pixels are not whole numbers"),
            (pixels(1, 2303) + " 1_0", "pixels are not whole numbers"),
            (pixels(1, 2303) + " \u0663", "pixels are not whole numbers"),
            (pixels(1, 2303) + " 256", "a pixel is above 255"),
            (pixels(1, 2303) + " " + "9" * 5000, "a pixel is above 255"),
        ],
    )
    def test_a_malformed_row_has_a_reason(self, field: str, reason: str, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=f"^{reason}$"):
            read(lines(HEADER, f"0,{field},Training"), tmp_path)

    def test_a_row_with_other_fields_than_the_header_has_a_reason(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="row has too few or too many fields"):
            read(lines(HEADER, pixels(1)), tmp_path)


class TestRows:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
    def test_lines_are_found_whatever_their_ends(self, start: bytes, end: str, tmp_path: Path) -> None:
        rows = [f"{i},{pixels(i)},Training" for i in range(3)]
        data = start + lines(HEADER, rows[0], "", rows[1], " , ,", rows[2], end=end).rstrip()
        assert members(data, tmp_path) == ["0000000", "0000001", "0000002"]
        assert [read(data, tmp_path, f"000000{i}")[-1] for i in range(3)] == [0, 1, 2]

    @pytest.mark.parametrize(
        "header", ["emotion, Usage, pixels", "emotion;Usage;PIXELS", '"emotion"\t"Usage"\t"pixels"']
    )
    def test_the_column_is_found_by_its_name(self, header: str, tmp_path: Path) -> None:
        separator = next(mark for mark in ",;\t" if mark in header)
        assert read(lines(header, separator.join(["0", "Training", f'"{pixels(5)}"'])), tmp_path)[-1] == 5

    @pytest.mark.parametrize("member", ["0000002", "1", "000000a", "", "x/0000001", "-000001"])
    def test_there_are_no_other_members(self, member: str, tmp_path: Path) -> None:
        data = lines(HEADER, f"0,{pixels(0)},Training", f"0,{pixels(1)},Training")
        with pytest.raises(ImageError, match="file is missing"):
            read(data, tmp_path, member)

    @pytest.mark.parametrize("header", ["emotion,Usage", "pixels,pixels", ""])
    def test_a_csv_without_pixels_is_refused(self, header: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"fer2013\.csv: expected a header with one column 'pixels', found"):
            read(lines(header, "1,2"), tmp_path)

    def test_a_long_line_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pixel_csv, "MAX_LINE", 5000)
        data = lines(HEADER, f"0,{pixels(1)},Training", f"0,{pixels(1)},Training{'x' * 500}")
        with pytest.raises(DatasetError, match=r"at most 5,000 bytes, found a longer one after 1 rows"):
            read(data, tmp_path)

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        with (tmp_path / "fer2013.csv").open("wb") as file:
            file.write(f"{HEADER}\n".encode())
            for i in range(3000):
                file.write(f"0,{pixels(i % 256)},Training\n".encode())
        with open_root(tmp_path) as root:
            extent = root.extent("fer2013.csv")
            tracemalloc.start()
            try:
                container = PixelCsv(extent)
                assert container.read("0002999", 10_000)[-1] == 2999 % 256
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert peak < 1_000_000 < extent.size / 10


class TestRoots:
    @pytest.mark.parametrize("kind", KINDS)
    def test_threads_and_copies_read_the_same_bytes(self, kind: str, tmp_path: Path) -> None:
        data = lines(HEADER, *(f"0,{pixels(i)},Training" for i in range(40)))
        names = [f"a/fer2013.csv::{i:07d}" for i in range(40)]
        path = pack({"a/fer2013.csv": data}, tmp_path, kind)
        with open_root(path) as root, pickle.loads(pickle.dumps(root)) as copy, ThreadPoolExecutor(4) as pool:
            assert [d[-1] for d in pool.map(root.read, names)] == list(range(40))
            assert [d[-1] for d in pool.map(copy.read, reversed(names))] == list(reversed(range(40)))

    def test_the_csv_itself_is_a_root(self, tmp_path: Path) -> None:
        name, data = next(iter(TREES["fer2013_csv"].files.items()))
        path = tmp_path / name.rpartition("/")[2]
        path.write_bytes(data)
        table = index_dataset("d", "fer2013", path, {})
        assert table.frame["id"].tolist() == list(TREES["fer2013_csv"].samples)
