"""The sha256 of files: of those that changed since an earlier scan by reading them, of all others by its record.

Frames of a video are one file: it is read once, and what a frame is known by follows from its digest.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.datasets.roots.containers import SEPARATOR, row_number
from pipeline.datasets.roots.files import MISSING, Root
from pipeline.datasets.roots.stamps import Stamp
from pipeline.datasets.scan_record import MARGIN_NS, ScanRecord, stamp_rows
from pipeline.errors import ImageError
from pipeline.images.formats import special_kind, undecodable_kind
from pipeline.progress import OnProgress, Progress
from pipeline.video.formats import is_video, no_such_frame
from pipeline.video.identity import frame_sha256

__all__ = ["FileDigests", "ScanCounts"]

EMPTY = "file is empty"

# Measured on 300,000 files of 2 kB: from a cold disk two threads take 0.36 of the time of one, and four as long as two;
# from memory four take 0.55. CPU time is the same.
_THREADS = 4
_FILES_AT_ONCE = 64
_STAMPS_AT_ONCE = 1024

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ScanCounts:
    """How many files a scan looked at, and how many of them had changed since the last one or were new, and were read.

    Parameters
    ----------
    files : images that the dataset's rows name, and that are not left out
    read : of these; all others are unchanged
    """

    files: int
    read: int

    @property
    def unchanged(self) -> int:
        return self.files - self.read

    def __str__(self) -> str:
        return f"scan: {self.files:,} files, {self.unchanged:,} unchanged, {self.read:,} read"


class _Content(NamedTuple):
    """Of one file that was read. `stamp` is None if the file may not count as unchanged next time."""

    sha256: bytes
    kind: str
    reason: str
    stamp: Stamp | None
    n_frames: int = -1


def _no_rows() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass
class FileDigests:
    """The digests of a dataset's files, for one scan.

    Parameters
    ----------
    previous : what an earlier scan of the same root recorded
    read_all : whether every file is read, changed or not; what is recorded of others is dropped
    clock : nanoseconds since 1970, as the file system counts them

    Attributes
    ----------
    counts : of the files that were looked at; a video is one file
    has_frames : whether some of them are frames of videos
    began : when the scan began, by `clock`: it may not have seen what was written later; 0 before
    """

    previous: ScanRecord = field(default_factory=ScanRecord.empty)
    read_all: bool = False
    clock: Callable[[], int] = time.time_ns
    counts: ScanCounts = field(default=ScanCounts(0, 0), init=False)
    has_frames: bool = field(default=False, init=False)
    began: int = field(default=0, init=False)
    _files: Root | None = field(default=None, init=False)
    _read: list[ScanRecord] = field(default_factory=list, init=False)
    _reused: npt.NDArray[np.int64] = field(default_factory=_no_rows, init=False)
    _replaced: npt.NDArray[np.int64] = field(default_factory=_no_rows, init=False)
    _counted: dict[str, int | str] = field(default_factory=dict, init=False)

    def begin(self) -> None:
        """State that the scan begins: nothing below the root was looked at before."""
        self.began = self.clock()

    def of(self, files: Root, names: Sequence[str], on_progress: OnProgress) -> tuple[list[str], list[str]]:
        """The sha256 of every file, empty where it cannot be read, and the reasons to reject files, else empty.

        Parameters
        ----------
        names : unique; those of the frames of one video follow each other
        on_progress : called for every file that is read, and every few files that are compared

        Raises
        ------
        DatasetError
            If the root is gone.
        """
        self.has_frames = any(_source(name) != name for name in names)
        if not self.has_frames:
            return self._digests(files, names, on_progress)
        sources = list(dict.fromkeys(map(_source, names)))
        return self._of_frames(files, names, sources, *self._digests(files, sources, on_progress))

    def n_frames(self, files: Root, name: str) -> int:
        """Frames of a video: of an unchanged one as they are recorded, else counted, for which the file is read.

        Raises
        ------
        ImageError
            With a short reason, if it is no video, or has no frame.
        """
        if name not in self._counted:
            try:
                self._counted[name] = self._recorded_frames(files, name) or files.video(name).n_frames
            except ImageError as error:
                self._counted[name] = str(error)
        counted = self._counted[name]
        if isinstance(counted, str):
            raise ImageError(counted)
        return counted

    def _recorded_frames(self, files: Root, name: str) -> int:
        """Frames of an unchanged video; 0 if it has changed, or is not known."""
        row = self._video_rows.get(name, -1)
        if self.read_all or row < 0 or (stamp_rows([files.stamp(name)])[0] != self.previous.stamps[row]).any():
            return 0
        return self.previous.frames_of(row)

    @cached_property
    def _video_rows(self) -> dict[str, int]:
        """Recorded videos and their rows of `previous`."""
        if self.previous.n_frames is None:
            return {}
        rows = np.flatnonzero(self.previous.n_frames > 0)
        return dict(zip(self.previous.paths.take(pa.array(rows)).to_pylist(), rows.tolist(), strict=True))

    def _of_frames(
        self, files: Root, names: Sequence[str], sources: list[str], digests: list[str], reasons: list[str]
    ) -> tuple[list[str], list[str]]:
        """What frames are known by, from the digests of their videos; names of other files have theirs."""
        of_source = {source: pair for source, *pair in zip(sources, digests, reasons, strict=True)}
        rows = [self._of_frame(files, name, *of_source[_source(name)]) for name in names]
        return [sha256 for sha256, _ in rows], [reason for _, reason in rows]

    def _of_frame(self, files: Root, name: str, sha256: str, reason: str) -> tuple[str, str]:
        source = _source(name)
        if name == source or reason:
            return sha256, reason
        number, n_frames = row_number(name.rpartition(SEPARATOR)[2]), self.n_frames(files, source)
        if number is None:
            return "", MISSING
        if number >= n_frames:
            return "", no_such_frame(n_frames)
        return frame_sha256(bytes.fromhex(sha256), number), ""

    def _digests(self, files: Root, names: Sequence[str], on_progress: OnProgress) -> tuple[list[str], list[str]]:
        self._files = files
        with _threads(names) as pool:
            rows = self._unchanged(pool, files, names, on_progress)
            digests = [self.previous.digests[row].tobytes().hex() if row >= 0 else "" for row in rows.tolist()]
            reasons = [""] * len(names)
            read: list[int] = np.flatnonzero(rows < 0).tolist()
            self.counts = ScanCounts(len(names), len(read))
            done = len(names) - len(read)
            blocks = [read[i : i + _FILES_AT_ONCE] for i in range(0, len(read), _FILES_AT_ONCE)]
            for block, contents in _in_order(pool, lambda b: [self._content(files, names[at]) for at in b], blocks):
                for at, content in zip(block, contents, strict=True):
                    digests[at], reasons[at] = content.sha256.hex(), content.reason
                self._remember([names[at] for at in block], contents)
                for _ in block:
                    done += 1
                    on_progress(Progress("images", done, len(names)))
        return digests, reasons

    def record(self) -> ScanRecord | None:
        """What the next scan may rely on, even if this one was interrupted; None if that is `previous`.

        Files that this scan did not look at, as the options leave them out, stay in it while they exist.
        """
        if (files := self._files) is None:
            return None
        kept = np.setdiff1d(np.arange(len(self.previous)), self._replaced, assume_unique=True)
        unseen = np.setdiff1d(kept, self._reused, assume_unique=True)
        paths = self.previous.paths.take(pa.array(unseen)).to_pylist()
        gone = [row for row, path in zip(unseen.tolist(), paths, strict=True) if not _exists(files, path)]
        kept = np.setdiff1d(kept, np.array(gone, np.int64), assume_unique=True)
        if not self._read and len(kept) == len(self.previous):
            return None
        return ScanRecord.joined([self.previous.take(kept), *self._read])

    def _unchanged(
        self, pool: ThreadPoolExecutor, files: Root, names: Sequence[str], on_progress: OnProgress
    ) -> npt.NDArray[np.int64]:
        """The row of `previous` that still holds for each name, -1 for those to read."""
        if self.read_all or not len(self.previous):
            self._replaced = np.arange(len(self.previous))
            return np.full(len(names), -1)
        rows = self.previous.rows_of(pa.array(names, pa.string()))
        known = np.flatnonzero(rows >= 0)
        blocks = [known[i : i + _STAMPS_AT_ONCE] for i in range(0, len(known), _STAMPS_AT_ONCE)]
        done = 0
        for block, stamps in _in_order(pool, lambda b: stamp_rows([files.stamp(names[at]) for at in b]), blocks):
            of_previous = rows[block]
            kinds = self.previous.kinds.take(pa.array(of_previous)).to_pylist()
            equal = (stamps == self.previous.stamps[of_previous]).all(axis=1)
            equal &= [not undecodable_kind(kind) for kind in kinds]
            rows[block[~equal]] = -1
            self._replaced = np.concatenate([self._replaced, of_previous[~equal]])
            done += len(block)
            on_progress(Progress("files compared", done, len(known)))
        self._reused = rows[rows >= 0]
        return rows

    def _content(self, files: Root, name: str) -> _Content:
        start = self.clock()
        if is_video(name):
            return self._video_content(files, name, start)
        try:
            data = files.read(name)
        except ImageError as error:
            return _Content(b"", "", str(error), None)
        if not data:
            return _Content(b"", "", EMPTY, None)
        kind = special_kind(data)
        reason = undecodable_kind(kind) if kind else ""
        stamp = None if reason else _old_stamp(files, name, start)
        return _Content(hashlib.sha256(data).digest(), kind, reason, stamp)

    def _video_content(self, files: Root, name: str, start: int) -> _Content:
        try:
            n_frames = self.n_frames(files, name)
            sha256 = files.video(name).file_sha256
        except ImageError as error:
            return _Content(b"", "", str(error), None)
        return _Content(sha256, "", "", _old_stamp(files, name, start), n_frames)

    def _remember(self, names: Sequence[str], contents: Sequence[_Content]) -> None:
        known = [i for i, content in enumerate(contents) if content.stamp is not None]
        if known:
            digests = np.frombuffer(b"".join(contents[i].sha256 for i in known), np.uint8)
            n_frames = np.array([contents[i].n_frames for i in known])
            self._read.append(
                ScanRecord(
                    pa.array([names[i] for i in known], pa.string()),
                    stamp_rows([contents[i].stamp for i in known]),
                    digests.reshape(len(known), -1),
                    pa.array([contents[i].kind for i in known], pa.string()),
                    n_frames if (n_frames >= 0).any() else None,
                )
            )


def _source(name: str) -> str:
    """The file that is read for a name: of a frame its video."""
    video, separator, _ = name.partition(SEPARATOR)
    return video if separator and is_video(video) else name


def _old_stamp(files: Root, name: str, start: int) -> Stamp | None:
    """The stamp of a file that was read from `start` on; None if it may be written again without another stamp."""
    stamp = files.stamp(name)
    return stamp if stamp is not None and stamp.is_older(start - MARGIN_NS) else None


def _exists(files: Root, path: str) -> bool:
    return files.exists(path) or files.exists(path.partition("::")[0])


@contextmanager
def _threads(names: Sequence[str]) -> Iterator[ThreadPoolExecutor]:
    """Rows of a shard are read in their order by one thread, as a shard is decoded from its start."""
    pool = ThreadPoolExecutor(1 if any("::" in name for name in names) else _THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], blocks: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Each block and its result, in order, with a few blocks in progress."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    upcoming = iter(blocks)
    for block in islice(upcoming, 4 * _THREADS):
        waiting.append((block, pool.submit(work, block)))
    while waiting:
        block, future = waiting.popleft()
        result = future.result()
        for following in islice(upcoming, 1):
            waiting.append((following, pool.submit(work, following)))
        yield block, result
