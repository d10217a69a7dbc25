"""The two streams of a copy of a video: pictures, which are encoded, and the sound of the original."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.codec import Codec
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

from pipeline.video.opening import OpenVideo
from pipeline.video.reader import open_file

__all__ = ["Pictures", "Sound"]

_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "20", "preset": "veryfast"}),
    ("libopenh264", {}),
    ("mpeg4", {"qscale": "3"}),
)
_COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")  # sound that an mp4 holds as it is
_TICKS = Fraction(1, 60_000)  # of the copy's times, seconds: whole numbers at all usual frame rates
_BITS_PER_PIXEL = 0.15  # of an encoder without a constant quality
_DEFAULT_RATE = 25.0
_BT709, _LIMITED = 1, 1  # AVCOL_SPC_BT709, AVCOL_RANGE_MPEG


class Pictures:
    """The stream of pictures of a copy.

    Parameters
    ----------
    copy : an open mp4
    size : width and height, even
    rate : frames per second, about; None if it is not known
    """

    def __init__(self, copy: OutputContainer, size: tuple[int, int], rate: float | None) -> None:
        name, options = next((name, options) for name, options in _ENCODERS if _is_here(name))
        self._copy, self._last = copy, -1
        steady = Fraction(min(max(rate or _DEFAULT_RATE, 1.0), 1000.0)).limit_denominator(1001)
        stream = copy.add_stream(name, rate=steady, options=dict(options))
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = _TICKS
        context.colorspace, context.color_range = _BT709, _LIMITED
        context.bit_rate = 0 if "crf" in options else round(_BITS_PER_PIXEL * size[0] * size[1] * float(steady))

    def add(self, picture: Image.Image, seconds: float) -> None:
        """The next picture, mode RGB, and when it is shown, from 0."""
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        self._last = max(self._last + 1, round(seconds / _TICKS))
        frame.pts, frame.time_base = self._last, _TICKS
        self._copy.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._copy.mux(self._stream.encode(None))


def _is_here(encoder: str) -> bool:
    try:
        Codec(encoder, "w")
    except (ValueError, av.error.FFmpegError):
        return False
    return True


class Sound:
    """The sound of a video in a copy: as it is where an mp4 holds it so, else encoded again.

    Parameters
    ----------
    path : of the video
    copy : an open mp4, to which nothing is written yet
    first_s : the time of the first picture, which is 0 in the copy

    Attributes
    ----------
    problem : what is missing of the sound; empty if nothing is

    Raises
    ------
    ImageError
        If the video cannot be read.
    """

    def __init__(self, path: Path, copy: OutputContainer, first_s: float) -> None:
        self._copy, self._first_s, self.problem = copy, first_s, ""
        self._video = OpenVideo(open_file(path))
        self._packets: Iterator[Any] = iter(())
        self._stream: Any = None
        self._is_copied = False
        if self._video.container.streams.audio:
            self._add(self._video.container.streams.audio[0])
        self._next = self._following()

    def _add(self, source: Any) -> None:
        """Add a stream to the copy, if it can be there."""
        name = source.codec_context.name if source.codec_context else "of an unknown kind"
        self._is_copied = name in _COPIED
        try:
            if self._is_copied:
                self._stream = self._copy.add_stream_from_template(source)
            else:
                self._stream = self._copy.add_stream("aac", rate=source.rate)
                self._stream.codec_context.layout = "mono" if source.channels == 1 else "stereo"
            self._packets = self._video.container.demux(source)
        except (av.error.FFmpegError, ValueError, AttributeError) as error:
            self.problem = f"without sound: it is {name}, which cannot be encoded here ({error})"

    def copy_until(self, seconds: float) -> None:
        """Write what is heard until some time of the copy, infinity for all."""
        try:
            while self._next and self._next[0] <= seconds:
                self._write(self._next[1])
                self._next = self._following()
            if math.isinf(seconds) and self._stream and not self._is_copied:
                self._copy.mux(self._stream.encode(None))
        except av.error.FFmpegError as error:
            at_s = self._next[0] if self._next else 0.0
            self.problem, self._next = f"its sound ends at {at_s:.1f} s: {error.strerror}", None

    def close(self) -> None:
        """Close the video."""
        self._video.close()

    def _following(self) -> tuple[float, Any] | None:
        """When the next packet is heard, not before the first picture, and the packet."""
        for packet in self._packets:
            if packet.pts is None or packet.dts is None:
                continue
            at_s = float(packet.pts * packet.time_base) - self._first_s
            if at_s >= 0:
                return at_s, packet
        return None

    def _write(self, packet: Any) -> None:
        if self._is_copied:
            first = round(self._first_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - first, packet.dts - first
            packet.stream = self._stream
            self._copy.mux(packet)
            return
        for frame in packet.decode():
            frame.pts -= round(self._first_s / frame.time_base)
            self._copy.mux(self._stream.encode(frame))
