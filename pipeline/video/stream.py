"""A video read once, from its first frame to its last: what is not wanted is not converted, and nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.video.listing import DEFAULT_RATE, NO_FRAMES, WITHOUT_TIMES
from pipeline.video.opening import OpenVideo
from pipeline.video.pictures import Pixels, ToPictures
from pipeline.video.reader import open_file

__all__ = ["ForwardReader", "TimedPicture"]

# The length in a whole video's header may exceed its last frame: that of its sound, or rounded.
_TOLERANCE_S, _TOLERANCE = 1.0, 0.02
_ROUNDING_S = 1e-6  # 3 x 0.1 s is a little more than 0.3 s to a computer


@dataclass(frozen=True)
class TimedPicture:
    """An upright frame of a video.

    Parameters
    ----------
    number : of the frame, from 0 at the first one of the file
    seconds : since that one
    pixels : uint8, shape (H, W, 3)
    """

    number: int
    seconds: float
    pixels: Pixels


class ForwardReader:
    """Reads a video forward. Its frames are numbered as they come out; damaged ones are left out, and counted.

    Parameters
    ----------
    path : of the video
    threads : of the decoder; 0 takes one for each core

    Attributes
    ----------
    rate : frames a second that the file states; None if it states none
    length_s : seconds from the first frame to the end, as far as the file states it; 0 if it does not
    first_s : the time that the file states for its first frame, which is 0 here; None before it, or if there is none
    n_frames, at_s : frames that were read so far, and the time of the last one, seconds
    n_damaged : packets and frames that could not be decoded

    Raises
    ------
    ImageError
        With a short reason, if the file cannot be read or is no video.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self._video = OpenVideo(open_file(path), threads)
        self.rate = self._video.rate
        # Of a file that is cut off FFmpeg may state what is there; AVI has the number of frames in its header.
        self.length_s = max(self._video.stated_s or 0.0, self._video.stream.frames / (self.rate or DEFAULT_RATE))
        self.n_frames, self.at_s, self.n_damaged = 0, 0.0, 0
        self.first_s: float | None = None

    def sampled(self, every_s: float) -> Iterator[TimedPicture]:
        """The first frame, then the first one at or after every `every_s` seconds; 0 gives every frame.

        Raises
        ------
        ImageError
            If a frame is too large, or its colours cannot be converted.
        """
        to_picture, last = ToPictures(), -1
        for number, (seconds, frame) in enumerate(self._frames()):
            interval = floor((seconds + _ROUNDING_S) / every_s) if every_s > _ROUNDING_S else number
            if interval > last:
                last = interval
                yield TimedPicture(number, seconds, to_picture(frame))

    def fault(self) -> str:
        """Why a video that gives no more frames is not whole; empty if it is."""
        if not self.n_frames:
            return NO_FRAMES
        if self.length_s - self.at_s > max(_TOLERANCE_S, _TOLERANCE * self.length_s):
            return f"video ends early: {self.at_s:.1f} of {self.length_s:.1f} s could be read, {self.n_frames} frames"
        return f"video is damaged: {self.n_damaged:,} of its frames could not be decoded" if self.n_damaged else ""

    def close(self) -> None:
        self._video.close()

    def _frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Each frame and its time."""
        packets: Iterator[Packet[VideoStream] | None] = iter(self._video.packets())
        while True:
            packet = next(packets, None)
            for frame in self._decode(packet):
                seconds = self._seconds(frame)
                yield seconds, frame
                self.n_frames, self.at_s = self.n_frames + 1, seconds
            if packet is None:
                return

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        if packet is not None and packet.is_corrupt:  # the last one of a file that was cut off
            self.n_damaged += 1
            return []
        try:
            frames = self._video.decode(packet)
        except av.FFmpegError:
            self.n_damaged += 1
            return []
        whole = [frame for frame in frames if not frame.is_corrupt]
        self.n_damaged += len(frames) - len(whole)
        return whole

    def _seconds(self, frame: VideoFrame) -> float:
        """Since the first frame; by the number where the file has no times, or times that do not increase."""
        counted = self.n_frames / (self.rate or DEFAULT_RATE)
        if frame.pts is None or self._video.format in WITHOUT_TIMES:
            return counted
        at = float(frame.pts * self._video.time_base)
        if self.first_s is None:
            self.first_s = at
            if 0 < at < self.length_s:  # Matroska and WebM count their length from 0
                self.length_s -= at
        return at - self.first_s if at - self.first_s > self.at_s else counted
