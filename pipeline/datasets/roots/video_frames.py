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
    decoder each, which no other thread takes while it is between two frames of its own; who goes on where another one
    has ended swaps with it. Threads that divide the frames of a video, in ascending order, thus decode none more than
    once each. A thread keeps one decoder, of all videos: there are never more than threads that read, whose memory is
    some frames each.
    """

    def __init__(self, extent: Extent) -> None:
        self._where, self._open = extent.where, _SameFile(extent)
        self._listing_lock, self._digest_lock, self._lock = threading.Lock(), threading.Lock(), threading.Lock()
        self._listed: FrameListing | None = None
        self._reason = ""
        self._idle: dict[threading.Thread, FrameDecoder] = {}

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
        """The one that has just read the frame before; else the thread's own, or that of a thread that has ended."""
        with self._lock:
            own = self._idle.pop(threading.current_thread(), None)
            if own is not None and _is_just_before(own, number):
                return own
            owners = [thread for thread, decoder in self._idle.items() if _is_just_before(decoder, number)]
            if own is None and not owners:
                owners = [thread for thread in self._idle if not thread.is_alive()]
            if not owners:
                return own
            taken = self._idle.pop(owners[0])
            if own is not None:
                self._idle[owners[0]] = own
            return taken

    def _release(self, decoder: FrameDecoder) -> None:
        with self._lock:
            self._idle[threading.current_thread()] = decoder
        _last_of_thread.set(self)

    def close_own(self) -> None:
        """Close the decoder of the thread, if it has one."""
        with self._lock:
            decoder = self._idle.pop(threading.current_thread(), None)
        if decoder is not None:
            decoder.close()


def _is_just_before(decoder: FrameDecoder, number: int) -> bool:
    return decoder.position <= number <= decoder.position + 1


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


def _no_video() -> None:
    return None


class _LastOfThread(threading.local):
    """The video that a thread read last, whose decoder is closed when it reads another one."""

    def __init__(self) -> None:
        self._video: Callable[[], VideoFrames | None] = _no_video

    def set(self, video: VideoFrames) -> None:
        before = self._video()
        if before is not video:
            self._video = weakref.ref(video)
            if before is not None:
                before.close_own()


_last_of_thread = _LastOfThread()


def _ppm(pixels: Pixels) -> bytes:
    height, width, _ = pixels.shape
    return b"".join((b"P6\n%d %d\n255\n" % (width, height), pixels.data))
