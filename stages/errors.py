"""What goes wrong in the stages themselves."""

from __future__ import annotations

__all__ = ["CheckFailedError", "ParamsError", "StageError"]


class StageError(Exception):
    """Base. `kind` is a stable word for machines (append-only)."""

    kind = "stage"


class ParamsError(StageError):
    """params.yaml, or an option, is wrong: mend it."""

    kind = "params"


class CheckFailedError(StageError):
    """The work is done and kept, but a check found a problem: exit code 3."""

    kind = "check"
