"""Which files count as images, and what happens to those that this installation cannot decode."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import KINDS, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.errors import ImageError
from pipeline.images.decode import decode
from pipeline.images.formats import is_image, undecodable

_PICTURE = Image.fromarray(np.arange(32 * 24 * 3, dtype=np.uint8).reshape(24, 32, 3))
# The head of a photo as iPhones write it; nothing of the format but its first box.
_HEIC = b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1heicmiaf" + bytes(40)


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    _PICTURE.save(out, kind)
    return out.getvalue()


def heic() -> bytes:
    pytest.importorskip("pillow_heif", reason="needs pip install 'fer-stage[heic]'").register_heif_opener()
    return encoded("HEIF")


@pytest.mark.parametrize(
    "suffix", ["jfif", "JFIF", "jpe", "pjpeg", "jif", "heic", "HEIF", "avif", "jp2", "dib", "apng"]
)
def test_suffixes_of_photos_count_as_images(suffix: str) -> None:
    assert is_image(f"a/b.{suffix}")


@pytest.mark.parametrize("name", ["a.csv", "jpg", "a.jpg.txt", "a.mp4"])
def test_other_files_do_not(name: str) -> None:
    assert not is_image(name)


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "JPEG"])
def test_what_pillow_reads_is_decoded(kind: str) -> None:
    assert undecodable(encoded(kind)) == ""
    assert decode(encoded(kind)).shape == (24, 32, 3)


def test_heic_is_decoded_with_the_extra() -> None:
    pixels = decode(heic()).astype(int)
    assert pixels.shape == (24, 32, 3)
    assert np.abs(pixels - np.asarray(_PICTURE)).mean() < 60


class TestWithoutDecoder:
    @pytest.fixture(autouse=True)
    def _no_heif(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed

    def test_a_heic_photo_is_recognised_by_its_bytes(self) -> None:
        assert "pip install 'fer-stage[heic]'" in undecodable(_HEIC)
        with pytest.raises(ImageError, match="a HEIC image, and pillow-heif is not installed"):
            decode(_HEIC)

    @pytest.mark.parametrize("layout", ["folder", "raf-db", "affectnet", "muxspace", "csv"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_a_rejected_row_in_every_layout(self, layout: str, kind: str, tmp_path: Path) -> None:
        files = {
            "train/fear/a.jfif": picture(1),
            "train/fear/b.HEIC": _HEIC,
            "test/fear/c.jpg": picture(2),
            "data/legend.csv": b"image,emotion\na.jpg,fear\nb.heic,fear\n",
            "images/a.jpg": picture(3),
            "images/b.heic": _HEIC,
            "labels.csv": b"path,label\ntrain/fear/a.jfif,fear\ntrain/fear/b.HEIC,fear\n",
        }
        of_lists = ("data/", "images/", "labels.csv")
        if layout in ("folder", "raf-db", "affectnet"):
            files = {name: data for name, data in files.items() if not name.startswith(of_lists)}
        table = index_dataset("d", layout, pack(files, tmp_path, kind), {})
        assert list(table.summary()["rejected"].values()) == [1]
        assert "HEIC" in next(iter(table.summary()["rejected"]))

    def test_a_dataset_of_nothing_else_says_what_to_install(self, tmp_path: Path) -> None:
        files = {f"fear/{i}.heic": _HEIC for i in range(3)}
        with pytest.raises(Exception, match=r"3 x a HEIC image.*fer-stage\[heic\].*Install what the reasons name"):
            index_dataset("d", "folder", pack(files, tmp_path, "folder"), {})
