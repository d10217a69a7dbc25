"""What an error of the hub's client, or of its HTTP library, means: whether to try again, its cause and what to do."""

from __future__ import annotations

import errno
import os

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

__all__ = ["OTHER_CACHE", "explanation", "first_line", "is_missing", "is_timeout", "is_transient"]

OTHER_CACHE = "Free space, or name a folder on another disk by HF_HUB_CACHE"
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LOGIN = "log in (hf auth login) or set HF_TOKEN"


def is_missing(error: Exception) -> bool:
    """Whether the repository is there and the file is not; a mirror may answer 404 without the hub's headers."""
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return False
    return isinstance(error, EntryNotFoundError | HfHubHTTPError) and _status(error) == 404


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if (status := _status(error)) is not None:
        return status in _TRANSIENT
    if isinstance(error, OfflineModeIsEnabled | ValueError):
        return False
    return not isinstance(error, OSError) or isinstance(error, ConnectionError)


def is_timeout(error: Exception) -> bool:
    """Whether no answer came in time."""
    return "Timeout" in type(error).__name__


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def explanation(error: Exception, attempts: int) -> tuple[str, str]:
    """The cause and the advice, each without a full stop."""
    status = _status(error)
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    if isinstance(error, GatedRepoError) or status == 403:
        return f"access is restricted (HTTP {status})", f"Ask for access on the repository's page, then {_LOGIN}"
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        cause = f"no such repository, or none that this login may see (HTTP {status})"
        return cause, f"If it is private or gated, {_LOGIN}; an old token is refused in the same way"
    if status == 404:
        return "no such file (HTTP 404)", "Check the name; a mirror may lack it"
    if status is not None:
        return f"the server answers HTTP {status}{tried}", "Try again later"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set", "Unset it to download"
    if isinstance(error, FileMetadataError):
        return "what answers there is not a hub", "Check HF_ENDPOINT and the proxy settings"
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return f"{os.strerror(error.errno)} in {constants.HF_HUB_CACHE}", OTHER_CACHE
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return (
            f"{error.filename or constants.HF_HUB_CACHE}: {error.strerror}",
            "Make the folder of HF_HUB_CACHE writable",
        )
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return first_line(error).removeprefix("Consistency check failed: "), "Try again; a proxy may cut large files"
    if is_timeout(error):
        return f"no answer in time{tried}", "Try again; HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT are in seconds"
    return f"{first_line(error)}{tried}", "Check the connection and the proxy settings (HTTPS_PROXY)"


def first_line(error: Exception) -> str:
    """The first line of its message, with its kind where the line alone would not do."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:300] if not isinstance(error, OSError) else lines[0][:300]
