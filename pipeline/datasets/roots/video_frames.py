"""A video as a container: a member is the number of a frame, `0000012`, and its bytes are the picture, uncompressed."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from pipeline.datasets.roots.archives import check_size
from pipeline.datasets.roots.containers import FrameContainer, row_number, row_text
from pipeline.datasets.roots.extents import Extent, FileSlice
from pipeline.datasets.roots.files import MISSING, UNREADABLE
from pipeline.datasets.roots.refusals import refused_by_system
from pipeline.datasets.roots.stamps import Stamp
from pipeline.errors import ImageError
from pipeline.regular_files import RefusedFileError
from pipeline.video.identity import decoder_version, frame_sha256
from pipeline.video.listing import FrameListing
from pipeline.video.pictures import Pixels
from pipeline.video.reader import FrameDecoder, open_listed

__all__ = ["VideoFrames"]

CHANGED = "video changed while it was read"

_CHUNK = 2**20  # bytes


class VideoFrames(FrameContainer):
    """The frames of one video, upright, as PPM files. See `pipeline.video.pictures` for colours and rotation.

    The file is listed once, and its digest computed once, when they are first needed. Threads that read at once have a
    decoder each: a request takes the free one that is nearest before its frame. A thread keeps one decoder, of all
    videos: there are never more than threads that read, whose memory is some frames each.
    """

    def __init__(self, extent: Extent) -> None:
        self._where, self._open = extent.where, _SameFile(extent)
        self._listing_lock, self._digest_lock, self._lock = threading.Lock(), threading.Lock(), threading.Lock()
        self._listed: FrameListing | None = None
        self._reason = ""
        self._idle: list[FrameDecoder] = []

    @property
    def another(self) -> str:
        return f"is not the frame that was indexed, or not as {decoder_version()} decodes it"

    @property
    def n_frames(self) -> int:
        return len(self._listing())

    @property
    def listing(self) -> FrameListing:
        """Times of the frames, and how the video is read; raises as `n_frames`."""
        return self._listing()

    def members(self) -> Sequence[str]:
        return [row_text(number) for number in range(self.n_frames)]

    def read(self, member: str, limit: int) -> bytes:
        """The picture of one frame as a binary PPM; raises as `Container.read`."""
        number = row_number(member)
        if number is None:
            raise ImageError(MISSING)
        listing = self._listing()
        with self._errors(), self._decoder(number, listing) as decoder:
            pixels = decoder.picture(number)
        check_size(pixels.nbytes, limit)
        return _ppm(pixels)

    def sha256(self, member: str, data: bytes) -> str:
        number = row_number(member)
        return "" if number is None else frame_sha256(self.file_sha256, number)

    @property
    def file_sha256(self) -> bytes:
        with self._digest_lock:
            return self._file_digest

    @cached_property
    def _file_digest(self) -> bytes:
        digest = hashlib.sha256()
        with self._errors(), self._open() as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.digest()

    def _listing(self) -> FrameListing:
        with self._listing_lock:
            if self._reason:
                raise ImageError(self._reason)
            if self._listed is None:
                self._listed = self._list()
            return self._listed

    def _list(self) -> FrameListing:
        try:
            with self._errors():
                decoder, listing = open_listed(self._open)
        except ImageError as error:
            self._reason = str(error)
            raise
        self._release(decoder)
        return listing

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except RefusedFileError as error:
            raise ImageError(str(error.strerror)) from error
        except OSError as error:
            raise refused_by_system(error, self._where) or ImageError(UNREADABLE) from error

    @contextmanager
    def _decoder(self, number: int, listing: FrameListing) -> Iterator[FrameDecoder]:
        decoder = self._take(number) or FrameDecoder(self._open, listing)
        try:
            yield decoder
        except OSError:
            decoder.close()
            raise
        except BaseException:
            self._release(decoder)
            raise
        self._release(decoder)

    def _take(self, number: int) -> FrameDecoder | None:
        """The free decoder that is nearest before a frame, else the thread's own if it is free."""
        with self._lock:
            before = [decoder for decoder in self._idle if decoder.position <= number]
            own = [decoder for decoder in self._idle if decoder is _last_of_thread.decoder()]
            chosen = max(before, key=lambda decoder: decoder.position, default=own[0] if own else None)
            if chosen is not None:
                self._idle.remove(chosen)
            return chosen

    def _release(self, decoder: FrameDecoder) -> None:
        with self._lock:
            self._idle.append(decoder)
        _last_of_thread.set(self, decoder)

    def close_idle(self, decoder: FrameDecoder) -> None:
        """Close a decoder if it is free; else another thread has it by now."""
        with self._lock:
            if decoder not in self._idle:
                return
            self._idle.remove(decoder)
        decoder.close()


class _SameFile:
    """Opens a video, to be read from its beginning; ImageError if it is another one by now, or was written to."""

    def __init__(self, extent: Extent) -> None:
        self._extent = extent
        self._stamp: Stamp | None = None

    def __call__(self) -> FileSlice:
        file = self._extent.open()
        stamp = Stamp.of(os.fstat(file.fileno()))
        self._stamp = self._stamp or stamp
        if stamp != self._stamp:
            file.close()
            raise ImageError(CHANGED)
        return file


def _nothing() -> None:
    return None


class _LastOfThread(threading.local):
    """The decoder that a thread used last, which is closed when it uses another one."""

    def __init__(self) -> None:
        self.decoder: Callable[[], FrameDecoder | None] = _nothing
        self._video: Callable[[], VideoFrames | None] = _nothing

    def set(self, video: VideoFrames, decoder: FrameDecoder) -> None:
        before, of = self.decoder(), self._video()
        self.decoder, self._video = weakref.ref(decoder), weakref.ref(video)
        if before is not None and before is not decoder and of is not None:
            of.close_idle(before)


_last_of_thread = _LastOfThread()


def _ppm(pixels: Pixels) -> bytes:
    height, width, _ = pixels.shape
    return b"".join((b"P6\n%d %d\n255\n" % (width, height), pixels.data))
