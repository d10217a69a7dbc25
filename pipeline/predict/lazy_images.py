"""One image, loaded when it is needed: from a file, a frame of a video, or the caller's memory.

A damaged video is read as far as possible, then has the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ImageError, InputError
from pipeline.images.decode import as_picture
from pipeline.images.ranges import SHARES, eight_bits
from pipeline.images.reading import file_picture
from pipeline.video.stream import VideoStreamer

__all__ = ["VIDEO_SUFFIXES", "LazyImage", "is_video", "lazy_array", "lazy_file", "lazy_picture", "video_frames"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".ts", ".mts"}
)


@dataclass(frozen=True)
class LazyImage:
    """An image that is loaded when it is needed.

    Parameters
    ----------
    image, frame, seconds : of `Prediction`
    load : gives the upright picture, mode RGB; ImageError with a short reason if it cannot
    video : the video that the frame is of, and how far it was read; None for images
    """

    image: str
    load: Callable[[], Image.Image]
    frame: int | None = None
    seconds: float | None = None
    video: VideoStreamer | None = None


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


def is_video(path: Path) -> bool:
    """Whether the name has a suffix of a video format, in any case."""
    return path.suffix.casefold() in VIDEO_SUFFIXES


def video_frames(path: Path, every_s: Callable[[float], float]) -> Iterator[LazyImage]:
    """Frames of a video in order: the first one, then the first one at or after every so many seconds.

    Parameters
    ----------
    every_s : from the length of the video in seconds, 0 if it is not known, to >= 0; 0, or less than a millionth of a
        second, gives every frame

    Yields
    ------
    LazyImage
        With the number of the frame and its time, both from 0 at the first frame of the file; upright by the file's
        metadata. What cannot be read is one more at the end, whose `load` raises ImageError with the reason: the file
        is no video, or ends early.
    """
    video = VideoStreamer(path)
    for one in video.sampled(lambda opened: every_s(opened.length_s)):
        yield LazyImage(str(path), one.picture, one.number, one.seconds, video)
    if video.fault:
        number, at_s = (video.n_frames, video.at_s) if video.n_frames else (None, None)
        yield LazyImage(str(path), partial(_fail, video.fault), number, at_s, video)


def _fail(reason: str) -> Image.Image:
    raise ImageError(reason)
