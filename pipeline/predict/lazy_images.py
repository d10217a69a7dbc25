"""One image, loaded when it is needed: from a file, a frame of a video, or the caller's memory.

Of a video, frames some seconds apart are taken. A damaged video is read as far as possible, then has the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import floor, isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ImageError, InputError
from pipeline.images.decode import MAX_PIXELS, as_picture
from pipeline.images.ranges import SHARES, eight_bits
from pipeline.images.reading import file_picture, unreadable_reason
from pipeline.regular_files import open_regular
from pipeline.video.formats import HEADER_BYTES, VIDEO_SUFFIXES, is_video, refusal

__all__ = ["VIDEO_SUFFIXES", "LazyImage", "is_video", "lazy_array", "lazy_file", "lazy_picture", "video_frames"]

# The length in a whole video's header may exceed its last frame: that of its sound, or rounded.
_TOLERANCE_S, _TOLERANCE = 1.0, 0.02
_DEFAULT_RATE = 25.0  # frames per second, where a file has no rate
_ROUNDING_S = 1e-6  # 3 x 0.1 s is a little more than 0.3 s to a computer


@dataclass(frozen=True)
class LazyImage:
    """An image that is loaded when it is needed.

    Parameters
    ----------
    image, frame, seconds : of `Prediction`
    load : gives the upright picture, mode RGB; ImageError with a short reason if it cannot
    """

    image: str
    load: Callable[[], Image.Image]
    frame: int | None = None
    seconds: float | None = None


def lazy_file(path: Path) -> LazyImage:
    """The picture in a file; of an animation the first frame."""
    return LazyImage(str(path), partial(file_picture, path))


def lazy_picture(picture: Image.Image, name: str) -> LazyImage:
    """A picture of any mode, rotated by its EXIF orientation."""
    return LazyImage(name, partial(as_picture, picture))


def lazy_array(pixels: npt.NDArray[Any], name: str, colour: str = "rgb") -> LazyImage:
    """Pixels of shape (H, W, 3) or, grey, (H, W): uint8, or floats in [0, 1] (see `SHARES`).

    Parameters
    ----------
    colour : order of the channels, `rgb` or `bgr`

    Raises
    ------
    InputError
        If they are something else, or floats of another range.
    """
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not (pixels.dtype == np.uint8 or pixels.dtype.kind == "f") or not fits or not pixels.size:
        raise InputError(
            f"picture {name}: expected pixels uint8 from 0 to 255, or floats from 0 to 1, of shape (H, W, 3) or "
            f"(H, W), found {pixels.dtype} {pixels.shape}. Convert them first"
        )
    plain = pixels if pixels.dtype == np.uint8 else _eight_bits(pixels, name)
    ordered = plain[..., ::-1] if colour == "bgr" and plain.ndim == 3 else plain
    return LazyImage(name, lambda: Image.fromarray(np.ascontiguousarray(ordered)).convert("RGB"))


def _eight_bits(pixels: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    try:
        return eight_bits(pixels, (SHARES,))
    except ImageError as error:
        raise InputError(
            f"picture {name}: expected floats from 0 to 1, found {pixels.dtype} from {pixels.min():g} to "
            f"{pixels.max():g}. Scale them to that range, or convert them to uint8"
        ) from error


def video_frames(path: Path, every_s: float) -> Iterator[LazyImage]:
    """Frames of a video in order: the first one, then the first one at or after every `every_s` seconds.

    Parameters
    ----------
    every_s : >= 0; 0, or less than a millionth of a second, gives every frame

    Yields
    ------
    LazyImage
        With the number of the frame and its time, both from 0 at the first frame of the file; upright by the file's
        metadata. What cannot be read is one more at the end, whose `load` raises ImageError with the reason: the file
        is no video, or ends early.
    """
    reader = _VideoReader(path)
    reason = _refusal(path)
    if not reason:
        yield from reader.sampled(every_s)
        reason = reader.fault()
    if reason:
        where = (reader.n_frames, reader.at_s) if reader.n_frames else (None, None)
        yield LazyImage(str(path), partial(_fail, reason), *where)


@dataclass
class _VideoReader:
    """A video, and how far it was read."""

    path: Path
    n_frames: int = 0
    at_s: float = 0.0
    length_s: float = 0.0
    too_large: str = ""

    def sampled(self, every_s: float) -> Iterator[LazyImage]:
        last = -1
        for at_s, capture in self._grabbed():
            interval = floor((at_s + _ROUNDING_S) / every_s) if every_s > _ROUNDING_S else self.n_frames
            if interval > last:
                last = interval
                readable, pixels = capture.retrieve()
                if not readable:
                    return  # it ends early: what was read so far counts
                picture = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
                yield LazyImage(str(self.path), picture.copy, self.n_frames, at_s)
            self.n_frames, self.at_s = self.n_frames + 1, at_s

    def _grabbed(self) -> Iterator[tuple[float, cv2.VideoCapture]]:
        """The time of each frame, and what holds it."""
        # Absolute: FFmpeg takes the beginning of a name such as `concat:x.mp4` for a protocol.
        capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG)
        try:
            width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
            if width * height > MAX_PIXELS:
                frame = f"{width:.0f} x {height:.0f}"
                self.too_large = f"frames are too large: at most {MAX_PIXELS:,} pixels, found {frame}"
                return
            rate = _positive(capture.get(cv2.CAP_PROP_FPS)) or _DEFAULT_RATE
            # Negative or 0 where it is unknown. Nothing is allocated for it.
            self.length_s = _positive(capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate)
            first_s: float | None = None
            while capture.grab():
                at_s = _finite(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if first_s is None:
                    first_s = at_s
                    self._subtract_start(_finite(capture.get(cv2.CAP_PROP_PTS) / rate - at_s))
                # Some files have no times, or times that decrease.
                yield at_s - first_s if at_s - first_s > self.at_s else self.n_frames / rate, capture
        finally:
            capture.release()

    def _subtract_start(self, start_s: float) -> None:
        """Of a recording that begins at `start_s`: Matroska and WebM count their length from 0."""
        if 0 < start_s < self.length_s:
            self.length_s -= start_s

    def fault(self) -> str:
        """Why a video that gives no more frames is not whole; empty if it is."""
        if self.too_large:
            return self.too_large
        if not self.n_frames:
            return "not a video, or one without a frame that can be read"
        if self.length_s - self.at_s > max(_TOLERANCE_S, _TOLERANCE * self.length_s):
            return f"video ends early: {self.at_s:.1f} of {self.length_s:.1f} s could be read, {self.n_frames} frames"
        return ""


def _refusal(path: Path) -> str:
    """Why this file is not passed to FFmpeg; empty if it is."""
    try:
        with open_regular(path) as file:
            begin = file.read(HEADER_BYTES)
    except OSError as error:
        return unreadable_reason(error)
    return refusal(begin)


def _finite(value: float) -> float:
    return value if isfinite(value) else 0.0


def _positive(value: float) -> float:
    return max(0.0, _finite(value))


def _fail(reason: str) -> Image.Image:
    raise ImageError(reason)
