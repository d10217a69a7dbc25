"""The frames of a video, listed by its packets: how many there are, when each is shown, and where decoding can begin.

Nothing is decoded. Most containers state the time at which each frame is shown: frames are then known by it. Where
they do not, frames are counted by the decoder, from the first one.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.errors import ImageError
from pipeline.video.opening import OpenVideo

__all__ = ["DEFAULT_RATE", "NO_FRAMES", "WITHOUT_TIMES", "FirstPacket", "FrameListing", "Keyframe"]

NO_FRAMES = "not a video, or one without a frame that can be read"
TOO_MANY = "video has too many frames"
MAX_FRAMES = 5_000_000  # a day at 50 frames a second; as the rows of a shard

DEFAULT_RATE = 25.0  # frames a second, where a file states no rate
_UNKNOWN = np.iinfo(np.int64).min
# AVI and ASF have the times of decoding only: FFmpeg makes up others, which are not in the order of the frames.
WITHOUT_TIMES = frozenset({"avi", "asf"})


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A frame at which decoding can begin.

    Parameters
    ----------
    number : of the first frame at or after it; the file may show it from a later one on only
    pts, dts : its times; dts is pts where it is unknown
    """

    number: int
    pts: int
    dts: int


class FirstPacket(NamedTuple):
    """What the first packet of a file is known by, after seeking to it; times are None where they are not known."""

    pts: int | None
    dts: int | None
    size: int

    @classmethod
    def of(cls, packet: Packet[VideoStream]) -> FirstPacket:
        return cls(packet.pts, packet.dts, packet.size)

    @property
    def timestamp(self) -> int:
        """Where to seek to."""
        return min((time for time in (self.pts, self.dts) if time is not None), default=0)


@dataclass(frozen=True, eq=False)
class FrameListing:
    """The frames of one video in the order in which they are shown.

    Parameters
    ----------
    pts : int64, shape (F,), ascending, each once, in units of the stream's time base; None where frames are counted
    keyframes : in that order; empty where frames are counted
    times_s : float64, shape (F,), seconds since the first frame
    damaged : bool, shape (F,): frames that a damaged packet is known to have left wrong. Decoders that find more mark
        them: whether a frame can be used does not depend on where decoding began
    rate : frames a second, stated or guessed by FFmpeg; None if unknown
    size : width, height as they are stored, pixels
    first : packet of the file
    """

    pts: npt.NDArray[np.int64] | None
    keyframes: tuple[Keyframe, ...]
    times_s: npt.NDArray[np.float64]
    rate: float | None
    size: tuple[int, int]
    first: FirstPacket
    damaged: npt.NDArray[np.bool_] = field(init=False)
    _key_numbers: npt.NDArray[np.intp] = field(init=False)
    _can_seek: npt.NDArray[np.bool_] = field(default_factory=lambda: np.ones(1, np.bool_), init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "damaged", np.zeros(len(self.times_s), np.bool_))
        object.__setattr__(self, "_key_numbers", np.array([key.number for key in self.keyframes], np.intp))

    def __len__(self) -> int:
        return len(self.times_s)

    @classmethod
    def of(cls, video: OpenVideo) -> FrameListing:
        """List the frames of a video that was just opened; it is then at its end.

        Frames that the file has for decoding only (before the start of its edit list) are left out.

        Raises
        ------
        ImageError
            If it has no frame, or more than `MAX_FRAMES`.
        """
        packets = _Packets()
        for packet in video.packets():
            if len(packets.pts) >= MAX_FRAMES:
                raise ImageError(f"{TOO_MANY}: at most {MAX_FRAMES:,}")
            packets.add(packet)
        return packets.listing(video)

    def number_at(self, pts: int) -> int:
        """The first frame at or after a time; F if there is none."""
        assert self.pts is not None
        return int(np.searchsorted(self.pts, pts))

    def find(self, pts: int | None) -> int | None:
        """The frame at a time; None if there is none."""
        if pts is None or self.pts is None:
            return None
        number = self.number_at(pts)
        return number if number < len(self) and self.pts[number] == pts else None

    def keyframe_before(self, number: int) -> Keyframe | None:
        """The last frame at or before `number` at which decoding can begin; None if it is the first one."""
        at = int(np.searchsorted(self._key_numbers, number, side="right"))
        return self.keyframes[at - 1] if at and self._can_seek.all() else None

    def forget_keyframes(self) -> None:
        """Decode from the beginning from now on."""
        self._can_seek[:] = False

    def damage(self, number: int) -> None:
        """Mark the frames from `number` to the next keyframe, where frames are counted all that follow."""
        at = int(np.searchsorted(self._key_numbers, number, side="right"))
        self.damaged[number : self._key_numbers[at] if at < len(self._key_numbers) else None] = True


_SHOWN, _KEY, _CORRUPT = 1, 2, 4
_VP8_SHOWN = 0x10  # of the first byte of a frame: RFC 6386, section 9.1


class _Packets:
    """Times and marks of all packets, in the order of decoding."""

    def __init__(self) -> None:
        self.pts, self.dts, self.flags = array("q"), array("q"), array("B")
        self.first = FirstPacket(None, None, 0)

    def add(self, packet: Packet[VideoStream]) -> None:
        if not self.pts:
            self.first = FirstPacket.of(packet)
        pts = _UNKNOWN if packet.pts is None else packet.pts
        self.pts.append(pts)
        self.dts.append(pts if packet.dts is None else packet.dts)
        shown = _SHOWN if not packet.is_discard and _is_shown(packet) else 0
        self.flags.append(shown | _KEY * packet.is_keyframe | _CORRUPT * packet.is_corrupt)

    def listing(self, video: OpenVideo) -> FrameListing:
        pts, dts, flags = (np.array(values) for values in (self.pts, self.dts, self.flags))
        is_shown = flags & _SHOWN > 0
        shown = np.sort(pts[is_shown])
        if not len(shown):
            raise ImageError(NO_FRAMES)
        rate, size = video.rate, (video.stream.codec_context.width, video.stream.codec_context.height)
        if video.format in WITHOUT_TIMES or shown[0] == _UNKNOWN or (np.diff(shown) == 0).any():
            times = _times_of_decoding(dts[is_shown], video)
            listing = FrameListing(None, (), times, rate, size, self.first)
            numbers = np.cumsum(is_shown) - 1
        else:
            numbers = np.searchsorted(shown, pts)
            keys = np.flatnonzero((flags & _KEY > 0) & (numbers < len(shown)))
            keyframes = [Keyframe(int(numbers[i]), int(pts[i]), int(dts[i])) for i in keys]
            keyframes.sort(key=lambda keyframe: keyframe.pts)
            times = (shown - shown[0]) * float(video.time_base)
            listing = FrameListing(shown, tuple(keyframes), times, rate, size, self.first)
        for number in np.unique(numbers[(flags & _CORRUPT > 0)]).tolist():
            listing.damage(int(number))
        return listing


def _times_of_decoding(dts: npt.NDArray[np.int64], video: OpenVideo) -> npt.NDArray[np.float64]:
    """Of F frames in the order in which they are shown, which come out as they go in; by the rate if it is unknown."""
    if dts[0] == _UNKNOWN or (np.diff(dts) <= 0).any():
        return np.arange(len(dts)) / (video.rate or DEFAULT_RATE)
    return np.asarray((dts - dts[0]) * float(video.time_base), np.float64)


def _is_shown(packet: Packet[VideoStream]) -> bool:
    """Whether a packet gives a frame. VP8 has packets of frames that are only referred to; elsewhere they are parts."""
    return packet.stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] & _VP8_SHOWN)
