"""Reading files of unknown origin: only regular ones, within a limit."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import regular_files
from pipeline.errors import InputError, PipelineError
from pipeline.regular_files import MAX_JSON_BYTES, RefusedFileError

__all__ = ["Advice", "read_json", "read_regular"]


@dataclass(frozen=True)
class Advice:
    """What to do about a file that is refused: in words, and as commands where they are known.

    Parameters
    ----------
    words : a sentence without a final period, or empty
    remedy, purpose : as of `pipeline.errors.PipelineError`
    """

    words: str = ""
    remedy: Sequence[tuple[str, Mapping[str, Any]]] = ()
    purpose: str = ""

    def error(self, message: str, kind: type[PipelineError] = InputError) -> PipelineError:
        """The error about a file, with this advice."""
        text = f"{message}. {self.words}" if self.words else message
        return kind(text, remedy=self.remedy, purpose=self.purpose)


def read_regular(path: Path, max_bytes: int, advice: Advice | str) -> bytes:
    """As `pipeline.regular_files.read_regular`, with an error that states the remedy.

    Parameters
    ----------
    max_bytes : a larger file is not read
    advice : what to do about a file that is refused

    Raises
    ------
    InputError
        If it is no regular file, or is larger.
    OSError
        If there is no such file, or it may not be read.
    """
    advice = Advice(advice) if isinstance(advice, str) else advice
    try:
        return regular_files.read_regular(path, max_bytes)
    except RefusedFileError as error:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            problem = f"expected at most {max_bytes:,} bytes, found {status.st_size:,}"
        else:
            problem = f"expected a regular file, found {_kind(status.st_mode)}"
        raise advice.error(f"{path}: {problem}") from error


def read_json(path: Path, advice: Advice) -> Any:
    """The content of a JSON file.

    Raises
    ------
    InputError
        If it is no regular file, too large, or no JSON.
    OSError
        As `read_regular`.
    """
    data = read_regular(path, MAX_JSON_BYTES, advice)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # RecursionError: lists in lists without end
        raise advice.error(f"{path} is damaged ({error})") from error


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
