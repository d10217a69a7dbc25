"""Standard streams that are closed, full, or without a reader.

Cron jobs and daemons start programs with closed streams. The next file that is opened would get the stream's number,
and messages of libraries would be written into it; so a closed stream is replaced by one that discards. Messages that
cannot be written are lost and the work continues; data that cannot be written are an error.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from stages.errors import OutputError, ReaderGoneError

__all__ = ["open_streams"]

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def open_streams() -> None:
    """Make stdin, stdout and stderr usable, whatever the program was started with."""
    for number in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            _discard(number)
    sys.stdin = sys.stdin or io.TextIOWrapper(io.FileIO(_STDIN, closefd=False), "utf-8")
    sys.stdout = _text(_Data(_STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Messages(_STDERR, "w", closefd=False), sys.stderr)


def _discard(number: int) -> None:
    """Open the null device as `number`, for child processes too."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.set_inheritable(number, True)


def _text(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    """A stream of text in the encoding of the one before it; characters outside the encoding are written as escapes."""
    encoding = getattr(before, "encoding", None) or "utf-8"
    lines = isinstance(raw, _Messages) or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=lines)


class _Messages(io.FileIO):
    """Stderr: what cannot be written is lost, for example where the terminal is gone."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


class _Data(io.FileIO):
    """Stdout: the first failure is an error, and nothing is written after it."""

    _is_broken = False

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        size = memoryview(data).nbytes
        if self._is_broken:
            return size
        try:
            return super().write(data) or 0
        except BrokenPipeError as error:
            self._is_broken = True
            raise ReaderGoneError("the program that reads the output has ended") from error
        except OSError as error:
            self._is_broken = True
            raise OutputError(
                f"cannot write to stdout: {error.strerror}. Files that the command wrote are whole; send its output "
                "elsewhere and run it again"
            ) from error
