"""Single frames of a video, by their numbers: each is decoded once where they are asked for in ascending order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import ImageError
from pipeline.images.reading import unreadable_reason
from pipeline.regular_files import open_unbuffered
from pipeline.video.formats import no_such_frame
from pipeline.video.listing import FirstPacket, FrameListing, Keyframe
from pipeline.video.opening import OpenVideo, SeekableFile
from pipeline.video.pictures import Pixels, ToPictures

__all__ = ["DAMAGED", "FrameDecoder", "OpenFile", "open_file", "open_listed"]

# Reasons of a rejected row: up to the first colon stable words, counted in summaries.
DAMAGED = "frame cannot be decoded, the video is damaged there"

_SEEK_OVER = 8  # frames: decoding them takes about as long as going to a keyframe

OpenFile: TypeAlias = Callable[[], SeekableFile]
"""Opens a video, to be read from its beginning"""


class FrameDecoder:
    """Decodes frames of one video. Not for several threads at once.

    It decodes on from where it is. It goes to a keyframe where a frame is behind it, or where that leaves out more than
    `_SEEK_OVER` frames. Which way it takes changes no picture of a whole file: where the decoder does not take for a
    keyframe what the file calls one, the video is decoded from its beginning.

    Parameters
    ----------
    open_file : gives the video; called again where it cannot be sought
    listing : of its frames, which decoders of one video share
    video : the open one that was listed, if it is given up to this decoder
    """

    def __init__(self, open_file: OpenFile, listing: FrameListing, video: OpenVideo | None = None) -> None:
        self._open_file, self._listing = open_file, listing
        self._to_picture = ToPictures()
        self._video = video or OpenVideo(open_file())
        if video:
            self._restart()
        else:
            self._start_at(None, self._video.packets())

    @property
    def position(self) -> int:
        """The first frame that it gives without going back."""
        return self._next if self._last is None else self._last[0]

    def picture(self, number: int) -> Pixels:
        """One frame, upright; raises as `frame`, and if its colours cannot be converted."""
        return self._to_picture(self.frame(number))

    def frame(self, number: int) -> VideoFrame:
        """One frame as it is stored.

        Raises
        ------
        ImageError
            If there is no such frame, or it is damaged, or refers to one that is.
        OSError
            If the file cannot be read.
        """
        if not 0 <= number < len(self._listing):
            raise ImageError(no_such_frame(len(self._listing)))
        if not self._listing.damaged[number]:
            self._approach(number)
        while not self._listing.damaged[number]:
            if self._last is not None and self._last[0] == number:
                return self._last[1]
            self._advance()
        raise ImageError(DAMAGED)

    def close(self) -> None:
        self._video.close()

    def __del__(self) -> None:  # PyAV's container and its streams refer to each other: the file would stay open
        if hasattr(self, "_video"):
            self.close()

    def _approach(self, number: int) -> None:
        keyframe = self._listing.keyframe_before(number)
        is_behind = number < self.position
        if keyframe is not None and (is_behind or keyframe.number - self._next > _SEEK_OVER):
            self._seek(keyframe)
        elif is_behind:
            self._restart()

    def _seek(self, keyframe: Keyframe) -> None:
        for timestamp in dict.fromkeys((keyframe.pts, keyframe.dts)):  # containers are sought by one or the other
            first, packets = self._packets_from(timestamp)
            if first is not None and first.is_keyframe and first.pts is not None and first.pts <= keyframe.pts:
                self._start_at(keyframe, packets)
                return
        self._restart()

    def _restart(self) -> None:
        """Go to the first packet of the file."""
        first, packets = self._packets_from(self._listing.first.timestamp)
        if first is None or FirstPacket.of(first) != self._listing.first:
            self._video.close()
            self._video = OpenVideo(self._open_file())
            packets = self._video.packets()
        self._start_at(None, packets)

    def _packets_from(self, timestamp: int) -> tuple[Packet[VideoStream] | None, Iterator[Packet[VideoStream]]]:
        """The packets after seeking, and the first of them; None if that fails."""
        if not self._video.seek(timestamp):
            return None, iter(())
        packets = self._video.packets()
        first = next(packets, None)
        return first, packets if first is None else chain([first], packets)

    def _start_at(self, keyframe: Keyframe | None, packets: Iterator[Packet[VideoStream]]) -> None:
        self._is_from_start = keyframe is None
        self._decoded = _numbered(self._video, self._listing, packets, is_sure=keyframe is None)
        self._next = keyframe.number if keyframe else 0
        self._last: tuple[int, VideoFrame] | None = None

    def _advance(self) -> None:
        """Decode the next frame, or find that those before it do not come out."""
        following = next(self._decoded, None)
        number = following[0] if following else len(self._listing)
        is_keyframe = self._last is not None or following is None or following[1].key_frame
        if not self._is_from_start and (number > self._next or (number == self._next and not is_keyframe)):
            self._listing.forget_keyframes()  # the decoder needs more than what the file calls a keyframe
            self._restart()
            return
        self._listing.damaged[self._next : number] = True
        if number >= self._next:
            self._last, self._next = following, number + 1


def _numbered(
    video: OpenVideo, listing: FrameListing, packets: Iterator[Packet[VideoStream]], *, is_sure: bool
) -> Iterator[tuple[int, VideoFrame]]:
    """The frames as they come out of the decoder, with their numbers.

    Unless it `is_sure` that decoding can begin here, what fails before the first frame is not taken for damage.
    """
    n_decoded = 0
    for packet in chain(packets, [None]):
        for frame in _decode(video, listing if is_sure or n_decoded else None, packet, n_decoded):
            number = n_decoded if listing.pts is None else listing.find(frame.pts)
            n_decoded += 1
            if number is None or number >= len(listing):
                continue
            if frame.is_corrupt:
                listing.damage(number)
            yield number, frame


def _decode(
    video: OpenVideo, listing: FrameListing | None, packet: Packet[VideoStream] | None, n_decoded: int
) -> list[VideoFrame]:
    try:
        return video.decode(packet)
    except av.FFmpegError:
        if listing is None:
            return []
        if listing.pts is None:
            listing.damage(n_decoded)
        elif packet is not None and packet.pts is not None:
            listing.damage(listing.number_at(packet.pts))
        return []


def open_listed(open_file: OpenFile) -> tuple[FrameDecoder, FrameListing]:
    """A decoder of a video, and the list of its frames, for which the file is read once.

    Raises
    ------
    ImageError
        With a short reason, if it is no video.
    OSError
        If it cannot be read.
    """
    video = OpenVideo(open_file())
    try:
        listing = FrameListing.of(video)
        return FrameDecoder(open_file, listing, video), listing
    except BaseException:
        video.close()
        raise


def open_file(path: Path) -> SeekableFile:
    """Open a video; ImageError with a short reason if it is no regular file, or cannot be read."""
    try:
        return open_unbuffered(path)
    except OSError as error:
        raise ImageError(unreadable_reason(error)) from error
