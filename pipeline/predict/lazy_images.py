"""One image, loaded when it is needed: from a file, a frame of a video, or the caller's memory.

A damaged video is read as far as possible, then has the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
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
from pipeline.images.reading import file_picture, unreadable_reason
from pipeline.video.stream import ForwardReader

__all__ = ["LazyImage", "VideoFile", "lazy_array", "lazy_file", "lazy_picture", "video_frames"]


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
    video: VideoFile | None = None


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


@dataclass
class VideoFile:
    """A video that is being read.

    Parameters
    ----------
    path : of the file
    every_s : from the length of the video in seconds, 0 if it is not known, to >= 0, seconds between frames that are
        taken; 0, or less than a millionth of a second, takes every frame
    interval_s : what `every_s` gave
    fault : after the last frame: why the file is not whole; empty if it is
    """

    path: Path
    every_s: Callable[[float], float]
    interval_s: float = 0.0
    fault: str = ""
    _reader: ForwardReader | None = None

    @property
    def n_frames(self) -> int:
        """Frames that were decoded so far."""
        return self._reader.n_frames if self._reader else 0

    @property
    def at_s(self) -> float:
        """Time of the last one, from 0 at the first one."""
        return self._reader.at_s if self._reader else 0.0

    @property
    def end_s(self) -> float:
        """When the last one ends, as far as the file states a rate."""
        rate = self._reader.rate if self._reader else None
        return self.at_s + (1 / rate if rate else 0.0)

    @property
    def length_s(self) -> float:
        """Of the whole video, as far as the file states it; else 0."""
        return self._reader.length_s if self._reader else 0.0

    def frames(self) -> Iterator[LazyImage]:
        """The first frame, then the first one at or after every so many seconds."""
        try:
            with closing(ForwardReader(self.path)) as self._reader:
                self.interval_s = self.every_s(self._reader.length_s)
                for one in self._reader.sampled(self.interval_s):
                    yield LazyImage(str(self.path), partial(Image.fromarray, one.pixels), one.number, one.seconds, self)
                self.fault = self._reader.fault()
        except ImageError as error:
            self.fault = str(error)
        except OSError as error:
            self.fault = unreadable_reason(error)


def video_frames(path: Path, every_s: Callable[[float], float]) -> Iterator[LazyImage]:
    """Frames of a video in order: see `VideoFile`.

    Yields
    ------
    LazyImage
        With the number of the frame and its time, both from 0 at the first frame of the file; upright by the file's
        metadata. What cannot be read is one more at the end, whose `load` raises ImageError with the reason: the file
        is no video, or ends early.
    """
    video = VideoFile(path, every_s)
    yield from video.frames()
    if video.fault:
        number, at_s = (video.n_frames, video.at_s) if video.n_frames else (None, None)
        yield LazyImage(str(path), partial(_fail, video.fault), number, at_s, video)


def _fail(reason: str) -> Image.Image:
    raise ImageError(reason)
