"""Image files for the tests of preparation and extraction: good ones, odd ones, bad ones, in a folder or an archive."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.images.reading import ImageRow

__all__ = [
    "BAD",
    "ODD",
    "PLAIN",
    "encoded",
    "image_row",
    "image_rows_of",
    "noise",
    "write_folder",
    "write_tar_gz",
    "write_zip",
]

EXIF_ORIENTATION, UPSIDE_DOWN = 0x0112, 3


def noise(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A picture without any symmetry: uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels: npt.NDArray[Any] | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _png_that_promises(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def _rotated(pixels: npt.NDArray[np.uint8]) -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = UPSIDE_DOWN
    return encoded(pixels[::-1, ::-1], "PNG", exif=exif)


PLAIN = noise(24, 18)
_GREY = PLAIN[..., 0]
# Every one of these can be used, whatever it looks like inside.
ODD = {
    "plain.png": encoded(PLAIN),
    "photo.jpg": encoded(PLAIN, "JPEG"),
    "named-wrong.jpg": encoded(PLAIN, "PNG"),
    "cmyk.jpg": encoded(Image.fromarray(PLAIN).convert("CMYK"), "JPEG"),
    "sixteen-bits.png": encoded(_GREY.astype(np.uint16) * 257),
    "palette.png": encoded(Image.fromarray(PLAIN).quantize(16)),
    "grey.png": encoded(_GREY),
    "upside-down.png": _rotated(PLAIN),
    "one-pixel.png": encoded(noise(1, 1)),
    "one-column.png": encoded(noise(1, 40)),
}
# And these can not; each with the reason that its row must carry.
BAD = {
    "cut-off.jpg": (encoded(noise(64, 64), "JPEG")[:700], "image is damaged or cut off"),
    "empty.jpg": (b"", "file is empty"),
    "letter.jpg": (b"dear reader, this is no picture", "not an image"),
    "bomb.png": (_png_that_promises(60_000, 60_000), "image is too large: at most 80,000,000 pixels, found more"),
    "hair.png": (encoded(np.zeros((400_000, 1, 3), np.uint8)), "image is too narrow"),
}


def image_row(row: int, path: str, data: bytes, **given: Any) -> ImageRow:
    """The row of an image file that holds `data`."""
    return ImageRow(row, path, hashlib.sha256(data).hexdigest(), **given)


def image_rows_of(files: Mapping[str, bytes], views: Sequence[int] = (0,)) -> list[ImageRow]:
    """A row per file, in the order of `files`."""
    return [image_row(row, name, data, views=tuple(views)) for row, (name, data) in enumerate(files.items())]


def write_folder(files: Mapping[str, bytes], path: Path) -> Path:
    path.mkdir()
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def write_tar_gz(files: Mapping[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_zip(files: Mapping[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
