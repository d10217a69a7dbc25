"""Video files for the tests of prediction."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import tiny_videos

__all__ = ["RATE", "coloured", "cut", "every", "shifted", "turned_on_showing", "write_video"]

RATE = 10  # frames a second
_TKHD_MATRIX = 44  # bytes from the name of an mp4's track header to its matrix


def write_video(path: Path, pictures: Sequence[Image.Image], codec: str = "", **options: Any) -> Path:
    """A video of these pictures, all of one even size, ten a second; `codec` and options as `tiny_videos` has them."""
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    frames = [np.asarray(picture) for picture in pictures]
    return tiny_videos.write_video(path, frames, codec=codec, rate=RATE, pix_fmt=pix_fmt, **options)


def every(seconds: float) -> Callable[[float], float]:
    """An interval between frames that does not depend on the length of the video."""
    return lambda length_s: seconds


def cut(path: Path, share: float) -> Path:
    """The beginning of a file, under another name."""
    data = path.read_bytes()
    other = path.with_stem(f"{path.stem}-cut")
    other.write_bytes(data[: int(share * len(data))])
    return other


def turned_on_showing(path: Path) -> None:
    """Write into an mp4 that its pictures are shown rotated by 90 degrees clockwise, as telephones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + _TKHD_MATRIX
    one, minus_one = (1 << 16).to_bytes(4, "big"), (2**32 - (1 << 16)).to_bytes(4, "big")
    none, last = bytes(4), (1 << 30).to_bytes(4, "big")
    data[at : at + 36] = b"".join([none, one, none, minus_one, none, none, none, none, last])
    path.write_bytes(data)


def shifted(path: Path, seconds: float) -> Path:
    """A Matroska or WebM file whose frames come so much later, under another name: cut out of a longer recording.

    Its index is left out, and the length in its header reaches from 0 to its last frame, as FFmpeg writes it.
    """

    def later(name: bytes, content: bytes) -> bytes:
        if name == _TIME:
            return (int.from_bytes(content) + round(1000 * seconds)).to_bytes(8)
        if name == _DURATION:
            return struct.pack(">d", struct.unpack(">d", content)[0] + 1000 * seconds)
        return content

    return _changed(path, "later", (_INFO, _CLUSTER), later)


def coloured(path: Path, matrix: int) -> Path:
    """A Matroska file that states how its brightness and colours make RGB, under another name.

    Parameters
    ----------
    matrix : 1 for BT.709, 6 for BT.601
    """

    def with_matrix(name: bytes, content: bytes) -> bytes:
        return content + _element(_COLOUR, _element(_MATRIX, bytes([matrix]))) if name == _VIDEO else content

    return _changed(path, str(matrix), (_TRACKS, _TRACK), with_matrix)


# Elements of Matroska, whose times are milliseconds unless the file states another unit.
_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER, _TIME, _DURATION = (
    bytes.fromhex(name) for name in ("1A45DFA3", "18538067", "1549A966", "1654AE6B", "1F43B675", "E7", "4489")
)
_TRACK, _VIDEO, _COLOUR, _MATRIX = (bytes.fromhex(name) for name in ("AE", "E0", "55B0", "55B1"))


def _changed(path: Path, ending: str, inside: Sequence[bytes], change: Callable[[bytes, bytes], bytes]) -> Path:
    """A Matroska file without its index, under another name; `change` gets every element, also within `inside`."""

    def rewritten(name: bytes, content: bytes) -> bytes:
        if name in inside:
            content = b"".join(rewritten(*part) for part in _elements(content))
        return _element(name, change(name, content))

    (_, header), (_, segment) = _elements(path.read_bytes())
    parts = [rewritten(*part) for part in _elements(segment) if part[0] in (_INFO, _TRACKS, _CLUSTER)]
    other = path.with_stem(f"{path.stem}-{ending}")
    other.write_bytes(_element(_EBML, header) + _element(_SEGMENT, b"".join(parts)))
    return other


def _element(name: bytes, content: bytes) -> bytes:
    return name + (len(content) | 1 << 56).to_bytes(8) + content


def _elements(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each element."""
    at = 0
    while at < len(data):
        start, at = at, at + _width(data[at])
        name, width = data[start:at], _width(data[at])
        size = int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1)
        at += width
        size = len(data) - at if size == (1 << 7 * width) - 1 else size  # not known when it was written
        yield name, data[at : at + size]
        at += size


def _width(first: int) -> int:
    """Bytes of a number, by the leading zeros of its first byte."""
    return 9 - first.bit_length()
