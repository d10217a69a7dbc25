"""Messages of errors on the command line."""

from __future__ import annotations

import errno
from pathlib import Path

from stages.shadows import why_broken

__all__ = ["error_message"]

# How PyTorch, OpenCV and the loader of libraries word it, in errors of other types.
_OUT_OF_MEMORY = (
    "not enough memory",
    "out of memory",
    "allocate memory",
    "insufficient memory",
    "failed to map segment",
)


def error_message(error: Exception, params: Path) -> str:
    """What went wrong and what to do. Errors that we raise carry a `kind`; any other is a bug of fer-stage.

    Parameters
    ----------
    params : params.yaml of the command that failed, which need not exist
    """
    if hasattr(error, "kind"):
        from stages.remedies import as_commands, encoder_note  # late: they are rarely needed

        return as_commands(error, params) + encoder_note(error, params)
    from pipeline.plugins import plugin_line  # late, as above

    if line := plugin_line(error):
        return f"{line}: {type(error).__name__}: {error}"
    if _is_out_of_memory(error):
        return "out of memory: close other programs, or make --batch-size smaller, then run it again"
    if isinstance(error, ImportError | AttributeError) and (broken := why_broken(error)):
        return broken
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the system'}: {error.strerror}"
    text = f"{type(error).__name__}: {error}"
    return f"a bug of fer-stage ({text}). Run it again with `fer-stage --debug ...` and report it"


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was refused to Python or to a library below it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    is_of_library = isinstance(error, RuntimeError | ImportError) or type(error).__module__ == "cv2"
    return is_of_library and any(words in str(error).lower() for words in _OUT_OF_MEMORY)
