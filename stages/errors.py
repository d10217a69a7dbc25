"""Errors of the stages themselves.

StageError
├── ParamsError         params.yaml, or an option, is wrong: correct it
├── CheckFailedError    the work is done and written, but a check failed: exit code 3
└── OutputError         stdout cannot be written: free the disk, or write elsewhere
    └── ReaderGoneError     the program that reads stdout has ended: no failure
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "CheckFailedError",
    "OutputError",
    "ParamsError",
    "ReaderGoneError",
    "StageError",
    "check_rejected",
]


class StageError(Exception):
    """Base of every error that stages raise on purpose. `kind` is a stable word for machines (append-only).

    Parameters
    ----------
    message : for people: what was expected, what was found, and where
    remedy : steps that end the error, in order: the name of a command, as `extract` or `store verify`, and its
        arguments by name. The command line writes them as commands, Python as calls
    purpose : what the steps are for, as "to resume"; empty where that is clear
    """

    kind = "stage"

    def __init__(
        self, message: str = "", *, remedy: Sequence[tuple[str, Mapping[str, Any]]] = (), purpose: str = ""
    ) -> None:
        super().__init__(message)
        self.remedy, self.purpose = remedy, purpose


class ParamsError(StageError):
    """params.yaml, or an option, is wrong: correct it."""

    kind = "params"


class CheckFailedError(StageError):
    """The work is done and written, but a check failed: exit code 3."""

    kind = "check"


class OutputError(StageError):
    """Stdout cannot be written: free the disk, or write elsewhere."""

    kind = "output"


class ReaderGoneError(OutputError):
    """The program that reads stdout has ended, as `head` does after ten lines: no failure."""


def check_rejected(
    n_rejected: int,
    n: int,
    largest_share: float,
    what: str,
    advice: str = "",
    *,
    remedy: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> None:
    """Raise CheckFailedError where more than `--max-rejected` of the images were rejected.

    Parameters
    ----------
    n_rejected, n : images that were rejected, and all
    largest_share : `--max-rejected`, in [0, 1]
    what, advice : "images are rejected"; and how the message ends: where the reasons are
    remedy : see `StageError`: what shows those that were rejected
    """
    if n_rejected > largest_share * n:
        message = f"{n_rejected} of {n} {what}, more than --max-rejected {largest_share}{advice}"
        raise CheckFailedError(message, remedy=remedy, purpose="to see them" if remedy else "")
