"""The two streams of a copy of a video: pictures, which are encoded, and the sound of the original."""

from __future__ import annotations

import math
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import av.error
import numpy as np
from av.codec import Codec
from av.container import OutputContainer
from PIL import Image

from pipeline.regular_files import open_regular

__all__ = ["Pictures", "Sound"]

_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "20", "preset": "veryfast"}),
    ("libopenh264", {}),
    ("mpeg4", {"qscale": "3"}),
)
_COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")  # sound that an mp4 holds as it is
_TICKS = Fraction(1, 60_000)  # of the copy's times, seconds: whole numbers at all usual frame rates
_BITS_PER_PIXEL = 0.15  # of an encoder without a constant quality
_BT709, _LIMITED = 1, 1  # AVCOL_SPC_BT709, AVCOL_RANGE_MPEG


class Pictures:
    """The stream of pictures of a copy.

    Parameters
    ----------
    copy : an open mp4
    size : width and height, even
    rate : frames per second, about
    """

    def __init__(self, copy: OutputContainer, size: tuple[int, int], rate: float) -> None:
        name, options = next((name, options) for name, options in _ENCODERS if _is_here(name))
        self._copy, self._last = copy, -1
        self._stream: Any = copy.add_stream(name, rate=Fraction(rate).limit_denominator(1001), options=dict(options))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = _TICKS
        context.colorspace, context.color_range = _BT709, _LIMITED
        context.bit_rate = 0 if "crf" in options else round(_BITS_PER_PIXEL * size[0] * size[1] * rate)

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
    """The sound of a video, copied as it is where an mp4 holds it so, else encoded again.

    Parameters
    ----------
    path : of the video
    first_s : the time of its first picture, which is 0 in the copy

    Attributes
    ----------
    problem : what is missing of the sound; empty if nothing is
    """

    def __init__(self, path: Path, first_s: float) -> None:
        self._path, self._first_s = path, first_s
        self.problem = ""
        self._next: tuple[float, Any] = (math.inf, None)

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        file = self._stack.enter_context(open_regular(self._path))
        self._file: Any = self._stack.enter_context(av.open(file, metadata_errors="ignore"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_to(self, copy: OutputContainer) -> None:
        """Add its stream to a copy, if it has one that can be there."""
        if not self._file.streams.audio:
            return
        source, self._copy = self._file.streams.audio[0], copy
        name = source.codec_context.name if source.codec_context else ""
        self._is_copied = name in _COPIED
        try:
            if self._is_copied:
                self._stream: Any = copy.add_stream_from_template(source)
            else:
                self._stream = copy.add_stream("aac", rate=source.rate)
                self._stream.codec_context.layout = "mono" if source.channels == 1 else "stereo"
        except (av.error.FFmpegError, ValueError) as error:
            self.problem = f"without sound: {name or 'its kind'} cannot be encoded here ({error})"
            return
        self._packets = self._file.demux(source)
        self._advance()

    def copy_until(self, seconds: float) -> None:
        """Write what is heard until some time of the copy."""
        while self._next[1] is not None and self._next[0] <= seconds:
            try:
                self._write(self._next[1])
            except av.error.FFmpegError as error:
                self.problem = f"its sound ends at {self._next[0]:.1f} s: {error.strerror}"
                self._next = (math.inf, None)
                return
            self._advance()
        if math.isinf(seconds) and hasattr(self, "_stream") and not self._is_copied and not self.problem:
            self._copy.mux(self._stream.encode(None))

    def _advance(self) -> None:
        """To the next packet that is heard after the first picture."""
        self._next = (math.inf, None)
        try:
            for packet in self._packets:
                if packet.pts is None or packet.dts is None:
                    continue
                at_s = float(packet.pts * packet.time_base) - self._first_s
                if at_s >= 0:
                    self._next = (at_s, packet)
                    return
        except av.error.FFmpegError as error:
            self.problem = f"its sound is damaged: {error.strerror}"

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
