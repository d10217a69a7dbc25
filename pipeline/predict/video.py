"""Frames of a video file, some seconds apart. What can be read of a damaged one is read, and its end says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import floor, isfinite
from pathlib import Path

import cv2
from PIL import Image

from pipeline.errors import ImageError
from pipeline.images.decode import MAX_PIXELS
from pipeline.predict.stills import Still, unread_reason
from pipeline.regular_files import open_regular

__all__ = ["VIDEO_SUFFIXES", "frames_of", "is_video"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".ts", ".mts"}
)
# A whole video may say to be a little longer than up to its last frame: its sound is, or its length is rounded.
_MISSING_S, _MISSING_SHARE = 1.0, 0.02
_USUAL_RATE = 25.0  # frames a second, where a file does not say
_BEGIN = 4096  # bytes of a file that are looked at before FFmpeg opens it
_PLAY_LISTS = (b"#EXTM3U", b"ffconcat")
_ROUNDING_S = 1e-6  # 3 x 0.1 s is a little more than 0.3 s to a computer


def is_video(path: Path) -> bool:
    """Whether the name has a suffix of a video format, in any case."""
    return path.suffix.casefold() in VIDEO_SUFFIXES


def frames_of(path: Path, every_s: float) -> Iterator[Still]:
    """Frames of a video in order: the first one, then the first one at or after every `every_s` seconds.

    Parameters
    ----------
    every_s : >= 0; 0, or less than a millionth of a second, gives every frame

    Yields
    ------
    Still
        With the number of the frame and its time, both from 0 at the first frame of the file; upright, as the file
        says. What cannot be read is one more Still at the end, whose `load` raises ImageError with the reason: the file
        is no video, or ends early.
    """
    reading = _Reading(path)
    reason = _refusal(path)
    if not reason:
        yield from reading.sampled(every_s)
        reason = reading.fault()
    if reason:
        where = (reading.n_frames, reading.at_s) if reading.n_frames else (None, None)
        yield Still(str(path), partial(_fail, reason), *where)


@dataclass
class _Reading:
    """A video, and how far its reading came."""

    path: Path
    n_frames: int = 0
    at_s: float = 0.0
    length_s: float = 0.0
    too_large: str = ""

    def sampled(self, every_s: float) -> Iterator[Still]:
        last = -1
        for at_s, capture in self._grabbed():
            interval = floor((at_s + _ROUNDING_S) / every_s) if every_s > _ROUNDING_S else self.n_frames
            if interval > last:
                last = interval
                readable, pixels = capture.retrieve()
                if not readable:
                    return  # it ends early: what was read so far counts
                picture = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
                yield Still(str(self.path), picture.copy, self.n_frames, at_s)
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
            rate = _positive(capture.get(cv2.CAP_PROP_FPS)) or _USUAL_RATE
            # Negative or 0 where it is not known. Nothing is allocated for it.
            self.length_s = _positive(capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate)
            first_s: float | None = None
            while capture.grab():
                at_s = _finite(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if first_s is None:
                    first_s = at_s
                    self._leave_out_start(_finite(capture.get(cv2.CAP_PROP_PTS) / rate - at_s))
                # Some files have no times, or such as go back.
                yield at_s - first_s if at_s - first_s > self.at_s else self.n_frames / rate, capture
        finally:
            capture.release()

    def _leave_out_start(self, start_s: float) -> None:
        """Of a recording that begins at `start_s`: Matroska and WebM count their length from 0."""
        if 0 < start_s < self.length_s:
            self.length_s -= start_s

    def fault(self) -> str:
        """What is wrong with a video that gave no more frames; empty if nothing is."""
        if self.too_large:
            return self.too_large
        if not self.n_frames:
            return "not a video, or one without a frame that can be read"
        if self.length_s - self.at_s > max(_MISSING_S, _MISSING_SHARE * self.length_s):
            return f"video ends early: {self.at_s:.1f} of {self.length_s:.1f} s could be read, {self.n_frames} frames"
        return ""


def _refusal(path: Path) -> str:
    """Why FFmpeg does not get to open this file; empty if it does."""
    try:
        with open_regular(path) as file:
            begin = file.read(_BEGIN)
    except OSError as error:
        return unread_reason(error)
    # Every container of pictures has bytes of 0 in its header; a play list is text, and names other files to open.
    if begin.startswith(_PLAY_LISTS) or b"\0" not in begin:
        return "not a video: a play list or another text"
    return ""


def _finite(value: float) -> float:
    return value if isfinite(value) else 0.0


def _positive(value: float) -> float:
    return max(0.0, _finite(value))


def _fail(reason: str) -> Image.Image:
    raise ImageError(reason)
