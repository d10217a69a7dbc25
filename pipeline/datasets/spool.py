"""A compressed archive, decompressed once into a temporary file that processes share and that nobody forgets."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import shutil
import tempfile
import weakref
import zlib
from pathlib import Path

from pipeline.errors import DatasetError

__all__ = ["Spool"]

_PREFIX = "fer-stage-spool-"


class Spool:
    """The bytes of a gzip file, as a plain file at `path`.

    The file goes when its owner is closed, collected or exits. One whose owner was killed is swept by the next
    spool: a living owner holds a lock on it, and the system drops that lock with the process.
    """

    def __init__(self, source: Path) -> None:
        sweep()
        self.path, handle = _locked_file()
        self._remove = weakref.finalize(self, _remove, self.path, handle, os.getpid())
        try:
            with gzip.open(source) as packed, self.path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.close()
            raise DatasetError(
                f"{source} is damaged or cut off: {error}. Expected a whole .tar.gz; copy or download it again"
            ) from error
        except OSError as error:
            self.close()
            raise DatasetError(
                f"cannot decompress {source} to {self.path.parent}: {error}. Make room, set TMPDIR to a larger folder, "
                "or unpack the archive and point the root at the folder"
            ) from error

    def close(self) -> None:
        """Remove the file."""
        self._remove()


def sweep() -> None:
    """Remove spool files whose owner is dead."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another user's file, or one that a second sweep got first, is not ours to remove.
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _locked_file() -> tuple[Path, int]:
    while True:
        handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".tar")
        fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink:  # a sweep between the two lines above would have removed it
            return Path(name), handle
        os.close(handle)


def _remove(path: Path, handle: int, owner: int) -> None:
    # A forked child inherits the finalizer, not the file.
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
        os.close(handle)
