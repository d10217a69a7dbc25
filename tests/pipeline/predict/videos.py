"""Video files for the tests of prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

__all__ = ["RATE", "cut", "turned_on_showing", "write_video"]

RATE = 10  # frames a second
_TKHD_MATRIX = 44  # bytes from the name of an mp4's track header to its matrix


def write_video(path: Path, pictures: Sequence[Image.Image], codec: str = "mp4v") -> Path:
    """A video of these pictures, all of one even size, ten a second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), RATE, pictures[0].size)
    for picture in pictures:
        writer.write(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def cut(path: Path, share: float) -> Path:
    """The beginning of a file, under another name."""
    data = path.read_bytes()
    other = path.with_stem(f"{path.stem}-cut")
    other.write_bytes(data[: int(share * len(data))])
    return other


def turned_on_showing(path: Path) -> None:
    """Have an mp4 say that its pictures are shown after a quarter turn clockwise, as telephones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + _TKHD_MATRIX
    one, minus_one = (1 << 16).to_bytes(4, "big"), (2**32 - (1 << 16)).to_bytes(4, "big")
    none, last = bytes(4), (1 << 30).to_bytes(4, "big")
    data[at : at + 36] = b"".join([none, one, none, minus_one, none, none, none, none, last])
    path.write_bytes(data)
