"""A compressed archive, or a compressed file in one, unpacked once into a temporary file that is always removed."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import lzma
import os
import shutil
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.datasets.roots.refusals import whole_file_errors
from pipeline.errors import DatasetError
from pipeline.progress import OnProgress, Progress, silent
from pipeline.regular_files import open_regular, size_text

__all__ = ["Spool"]

MAX_RATIO = 200  # of the unpacked to the packed size: images hardly shrink, a tar of tiny labels does fiftyfold
ALWAYS_ALLOWED = 64 * 2**20  # bytes unpacked, whatever the ratio: a few flat drawings may be packed very well
FREE_BYTES = 256 * 2**20  # left on the disk for others

_PREFIX = "fer-stage-spool-"
_FILE = "archive.tar"
_CHUNK = 1 << 20
_UNPACK = "unpack the archive by hand and point the root at the folder"


class Spool:
    """The content of a compressed file, as a plain file at `path`, in a folder of its own that no other user can enter.

    The folder is removed when its owner is closed, collected or exits. One whose owner was killed is removed by the
    next spool of the same user: a living owner holds a lock on it, and the system drops that lock with the process.

    Parameters
    ----------
    source : a gzip file, or an archive that holds the compressed file
    unpack : gives the content of the open `source`; None for gzip
    packed_size : bytes of the compressed file; None for all of `source`
    where : for messages, instead of `source`

    Raises
    ------
    DatasetError
        If the file is damaged, there is no room for its content, or that has more than `MAX_RATIO` times its size.
    """

    def __init__(
        self,
        source: Path,
        unpack: Callable[[BinaryIO], BinaryIO] | None = None,
        packed_size: int | None = None,
        where: str = "",
        on_progress: OnProgress = silent,
    ) -> None:
        where = where or str(source)
        remove_abandoned()
        folder, handle = _locked_folder()
        self.path = folder / _FILE
        self._remove = weakref.finalize(self, _remove, folder, handle, os.getpid())
        try:
            with whole_file_errors(source):
                packed = open_regular(source)
            with packed, self.path.open("xb") as plain, (unpack or _gunzip)(packed) as content:
                _decompress(where, packed_size or os.fstat(packed.fileno()).st_size, content, plain, on_progress)
        except DatasetError:
            self.close()
            raise
        except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile) as error:
            self.close()
            raise DatasetError(
                f"{where} is damaged or cut off: {error}. Expected a whole archive; copy or download it again"
            ) from error
        except OSError as error:
            self.close()
            raise DatasetError(
                f"cannot decompress {where} to {folder}: {error}. Make room, set TMPDIR to a larger folder, "
                f"or {_UNPACK}"
            ) from error

    def close(self) -> None:
        """Remove the file."""
        self._remove()


def remove_abandoned() -> None:
    """Remove what other processes of this user, which were killed, left behind. Links are not followed."""
    for entry in os.scandir(tempfile.gettempdir()):
        if not entry.name.startswith(_PREFIX):
            continue
        # Another process may be removing the folder, or still use it.
        with contextlib.suppress(OSError):
            handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if _is_own(os.fstat(handle)):
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _empty(Path(entry.path), handle)
            finally:
                os.close(handle)


def _is_own(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _empty(folder: Path, handle: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_FILE, dir_fd=handle)
    folder.rmdir()


def _locked_folder() -> tuple[Path, int]:
    """A new folder, mode 0700, and a handle of it that holds a lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with contextlib.suppress(FileNotFoundError):  # another process can have removed it between two lines
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if folder.exists():
                return folder, handle
            os.close(handle)


def _gunzip(packed: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.open(packed))


def _decompress(where: str, packed_size: int, content: BinaryIO, plain: BinaryIO, on_progress: OnProgress) -> None:
    """Copy the content in chunks; all limits are checked before the next chunk is written."""
    limit = max(ALWAYS_ALLOWED, MAX_RATIO * packed_size)
    n_bytes = 0
    while chunk := content.read(_CHUNK):
        n_bytes += len(chunk)
        if n_bytes > limit:
            raise DatasetError(
                f"{where}: expected an archive of at most {size_text(limit)} unpacked, {MAX_RATIO} times its "
                f"size, found more. If it really holds a dataset, {_UNPACK}"
            )
        # Not on the first chunks: small archives are read on a full disk too, as long as they fit.
        if n_bytes > ALWAYS_ALLOWED and shutil.disk_usage(os.path.dirname(plain.name)).free < FREE_BYTES:
            raise DatasetError(
                f"cannot decompress {where}: expected room for it in {tempfile.gettempdir()}, found less than "
                f"{size_text(FREE_BYTES)} free after {size_text(n_bytes)}. Set TMPDIR to a larger folder, or "
                f"{_UNPACK}"
            )
        plain.write(chunk)
        on_progress(Progress("MB unpacked", n_bytes // _CHUNK, 0))


def _remove(folder: Path, handle: int, owner: int) -> None:
    # A forked child inherits the finalizer, not the file.
    if os.getpid() == owner:
        with contextlib.suppress(FileNotFoundError):
            _empty(folder, handle)
        os.close(handle)
