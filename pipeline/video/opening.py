"""A video file, opened by FFmpeg with what it may open and allocate limited, and its best stream of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import ImageError
from pipeline.images import decode
from pipeline.video.formats import DEMUXERS, HEADER_BYTES, refusal

__all__ = ["NOT_A_VIDEO", "NO_DECODER", "NO_PICTURES", "OpenVideo", "SeekableFile", "check_pixels"]

# Reasons of a rejected row or clip: up to the first colon stable words, counted in summaries.
NOT_A_VIDEO = "not a video, or one that is damaged or cut off"
NO_PICTURES = "video has no pictures"
NO_DECODER = "video of a kind that is not decoded"

_BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_BUFFER_BYTES = 2**16
_MICROSECONDS = 1_000_000


class SeekableFile(Protocol):
    """What a video is read from; a binary file of the standard library is one, and so is a `FileSlice`."""

    def read(self, size: int, /) -> bytes | None: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...

    def close(self) -> None: ...


class OpenVideo:
    """One video file and its best stream of pictures: the one that FFmpeg would play, but no cover of an album.

    Parameters
    ----------
    file : seekable, read in chunks; closed with this
    threads : of the decoder; 0 takes one for each core. More than 1 make reading one long video faster, and hold more
        frames in memory

    Raises
    ------
    ImageError
        If the file is no video, has no pictures, or states frames of more than `MAX_PIXELS` pixels. Nothing is
        allocated for a number of frames or a size that a header states.
    OSError
        If the disk cannot be read; so do all methods.
    """

    def __init__(self, file: SeekableFile, threads: int = 1) -> None:
        self._file = _Source(file)
        try:
            self.container = self._open()
            self.stream = _best_stream(self.container)
            codec = self.stream.codec_context
            check_pixels(codec.width, codec.height)
        except BaseException:
            self.close()
            raise
        codec.options = {"max_pixels": str(decode.MAX_PIXELS)}
        codec.thread_count = threads
        codec.thread_type = "NONE" if threads == 1 else "AUTO"

    def _open(self) -> InputContainer:
        reason = refusal(self._file.read(HEADER_BYTES))
        self._file.check()
        if reason:
            raise ImageError(reason)
        self._file.seek(0)
        try:
            return av.open(self._file, "r", options=_options(), buffer_size=_BUFFER_BYTES, metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            self._file.check()
            raise ImageError(NOT_A_VIDEO) from error

    @property
    def format(self) -> str:
        """FFmpeg's name of the container, as `mov,mp4,m4a,3gp,3g2,mj2`."""
        return str(self.container.format.name)

    @property
    def rate(self) -> float | None:
        """Frames a second that the file states, or that follow from its first times; None if neither is known."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return float(rate) if rate else None

    @property
    def time_base(self) -> Fraction:
        """Seconds of one unit of `pts`."""
        return Fraction(self.stream.time_base or Fraction(1, _MICROSECONDS))

    @property
    def stated_s(self) -> float | None:
        """The length that the header states, seconds; None if it states none. It may be wrong, or that of the sound."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        return self.container.duration / _MICROSECONDS if self.container.duration else None

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets of pictures from where the file is read, in the order of decoding; ends where it is damaged."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:  # none: the end, or a frame that AVI leaves out as the one before is shown longer
                    yield packet
        except (av.FFmpegError, IndexError):  # PyAV's, at the end of a file that has more streams than its beginning
            pass
        self._file.check()

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The pictures that come out after a packet, in the order in which they are shown; None gives the last ones.

        Raises
        ------
        av.FFmpegError
            If it is damaged.
        """
        return self.stream.codec_context.decode(packet)

    def seek(self, timestamp: int) -> bool:
        """Go to the last keyframe at or before a time in units of `time_base`; False if that fails."""
        try:
            self.container.seek(timestamp, stream=self.stream)
        except av.FFmpegError:
            self._file.check()
            return False
        return True

    def close(self) -> None:
        if hasattr(self, "container"):
            self.container.close()
        self._file.close()


class _Source:
    """A file as FFmpeg reads it. An error of the disk ends the file for FFmpeg, and is raised by `check`.

    FFmpeg would take it for damage of the video.
    """

    def __init__(self, file: SeekableFile) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self._error: OSError | None = None

    def read(self, size: int) -> bytes:
        try:
            return (self._error is None and self._file.read(size)) or b""
        except OSError as error:
            self._error = error
            return b""

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def check_pixels(width: int, height: int) -> None:
    """ImageError if a frame is larger than any that is decoded."""
    if width * height > decode.MAX_PIXELS:
        raise ImageError(f"frames are too large: at most {decode.MAX_PIXELS:,} pixels, found {width} x {height}")


def _options() -> dict[str, str]:
    return {
        "format_whitelist": ",".join(DEMUXERS),
        "protocol_whitelist": "none",  # no protocol has this name: whatever a file names, nothing else is opened
        "max_pixels": str(decode.MAX_PIXELS),
    }


def _best_stream(container: InputContainer) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & _BESIDE]
    if not streams:
        raise ImageError(NO_PICTURES)
    best = container.streams.best("video")
    stream = next((stream for stream in streams if stream is best), streams[0])
    if stream.codec_context is None:
        raise ImageError(NO_DECODER)
    return stream
