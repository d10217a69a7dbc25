"""A video from its beginning to its end: frames of given times, in one pass and in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import floor
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from pipeline.images.decode import MAX_PIXELS
from pipeline.images.reading import unreadable_reason
from pipeline.regular_files import open_regular

__all__ = ["SampledFrame", "VideoStreamer"]

# The length in a whole video's header may exceed its last frame: that of its sound, or rounded.
_TOLERANCE_S, _TOLERANCE = 1.0, 0.02
_DEFAULT_RATE = 25.0  # frames per second, where a file has no rate
_HEADER_BYTES = 4096  # bytes of a file that are checked before FFmpeg opens it
_PLAYLISTS = (b"#EXTM3U", b"ffconcat")
_ROUNDING_S = 1e-6  # 3 x 0.1 s is a little more than 0.3 s to a computer
_QUARTER = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class SampledFrame:
    """A frame of a video.

    Parameters
    ----------
    number : from 0 at the first frame of the file
    seconds : its time, from 0 at the first frame
    picture : gives the upright picture, mode RGB; safe in another thread
    """

    number: int
    seconds: float
    picture: Callable[[], Image.Image]


@dataclass
class VideoStreamer:
    """A video file, and how far it was read. For one pass.

    Parameters
    ----------
    path : of the file
    n_frames, at_s : frames so far, and the time of the last one
    first_s : time that the file states for its first frame, which is 0 here
    length_s : seconds that the file states; 0 if it states none. Known from the first frame on
    rate : frames per second that it states
    interval_s : seconds between the frames that are taken, from the first one on
    fault : after the last frame: why the file is not whole; empty if it is
    """

    path: Path
    n_frames: int = 0
    at_s: float = 0.0
    first_s: float = 0.0
    length_s: float = 0.0
    rate: float = _DEFAULT_RATE
    interval_s: float = 0.0
    fault: str = ""
    n_damaged: int = 0

    def sampled(self, every_s: Callable[[VideoStreamer], float]) -> Iterator[SampledFrame]:
        """Frames in order: the first one, then the first one at or after every so many seconds.

        At the end `fault` says why the file is not whole; it is empty if it is.

        Parameters
        ----------
        every_s : called when `length_s` is known: >= 0; 0, or less than a millionth of a second, takes every frame
        """
        last = -1
        for frame in self._frames():
            if self.n_frames == 1:
                self.interval_s = every_s(self)
            is_timed = self.interval_s > _ROUNDING_S
            interval = floor((self.at_s + _ROUNDING_S) / self.interval_s) if is_timed else self.n_frames
            if interval > last:
                last = interval
                yield SampledFrame(self.n_frames - 1, self.at_s, partial(_upright, frame))

    def _frames(self) -> Iterator[VideoFrame]:
        try:
            with open_regular(self.path) as file:
                if self._is_text(file.read(_HEADER_BYTES)):
                    self.fault = "not a video: a playlist or another text"
                    return
                file.seek(0)
                yield from self._decoded(file)
        except OSError as error:
            self.fault = unreadable_reason(error)
        except av.error.FFmpegError:
            pass
        self.fault = self.fault or self._ending()

    @staticmethod
    def _is_text(begin: bytes) -> bool:
        # Every container of pictures has bytes of 0 in its header; a playlist is text, and names other files to open.
        return begin.startswith(_PLAYLISTS) or b"\0" not in begin

    def _decoded(self, file: Any) -> Iterator[VideoFrame]:
        with av.open(file, metadata_errors="ignore") as container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream):
                return
            stream.thread_type = "AUTO"
            if (stream.width or 0) * (stream.height or 0) > MAX_PIXELS:
                size = f"{stream.width} x {stream.height}"
                self.fault = f"frames are too large: at most {MAX_PIXELS:,} pixels, found {size}"
                return
            self.rate = float(stream.average_rate or 0) or _DEFAULT_RATE
            for frame in self._packets(container, stream):
                at_s = frame.time
                if not self.n_frames:
                    self.first_s = at_s or 0.0
                    self.length_s = _length(container, stream, self.first_s)
                # Some files have no times, or times that decrease.
                later = 0.0 if at_s is None else at_s - self.first_s
                self.at_s = later if later > self.at_s or not self.n_frames else self.n_frames / self.rate
                self.n_frames += 1
                yield frame

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """The frames of all packets that can be decoded."""
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self.n_damaged += 1
                continue
            yield from frames

    def _ending(self) -> str:
        if not self.n_frames:
            return "not a video, or one without a frame that can be read"
        if self.length_s - self.at_s > max(_TOLERANCE_S, _TOLERANCE * self.length_s):
            return f"video ends early: {self.at_s:.1f} of {self.length_s:.1f} s could be read, {self.n_frames} frames"
        if self.n_damaged:
            return f"damaged video: {self.n_damaged} parts of it could not be decoded"
        return ""


def _length(container: InputContainer, stream: VideoStream, first_s: float) -> float:
    """Seconds from the first frame to the end that the file states."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    length_s = (container.duration or 0) / av.time_base
    # Of a recording that begins later: Matroska and WebM count their length from 0.
    return length_s - first_s if "matroska" in container.format.name and 0 < first_s < length_s else length_s


def _upright(frame: VideoFrame) -> Image.Image:
    picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
    turned = _QUARTER.get(round(frame.rotation) % 360)
    return picture.transpose(turned) if turned else picture
