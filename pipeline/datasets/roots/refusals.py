"""Where the system, not the file, is the reason that a file cannot be read."""

from __future__ import annotations

import errno
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DatasetError

__all__ = ["DAMAGED", "refused_by_system", "whole_file_errors"]

# What reading a file, or a member of an archive, is known to raise where its bytes are not what they should be.
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)

# Of the machine, its disks and its network. A file that its owner did not open to us (EACCES) is a fact of that file.
_OF_SYSTEM = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EIO,
        errno.ENODEV,
        errno.ENXIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
    }
)
_OF_OWNER = frozenset({errno.EACCES, errno.EPERM})


def refused_by_system(error: BaseException, path: Path | str) -> DatasetError | None:
    """The error to raise if the system could not read `path` now; None if the cause is the file itself.

    A lost network drive, or too many open files, would else make a rejected row of every image.
    """
    if not isinstance(error, OSError) or error.errno not in _OF_SYSTEM:
        return None
    return DatasetError(
        f"{path} cannot be read now: {os.strerror(error.errno)}. No image was rejected for it: repair that, then "
        "repeat the command"
    )


@contextmanager
def whole_file_errors(path: Path) -> Iterator[None]:
    """Name why a file that holds many samples (an archive, a list) cannot be opened, where it is not its content.

    Raises
    ------
    DatasetError
        If the system or the file's owner refuses; any other error passes as it is.
    """
    try:
        yield
    except OSError as error:
        if refused := refused_by_system(error, path):
            raise refused from error
        if error.errno in _OF_OWNER:
            raise DatasetError(f"{path} cannot be read: no permission. Ask its owner for it") from error
        raise
