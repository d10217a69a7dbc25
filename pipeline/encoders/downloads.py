"""One file of the hub: from its cache on this machine, or downloaded; either is compared with the hub's own digest."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import FileMetadataError
from huggingface_hub.file_download import HfFileMetadata
from huggingface_hub.utils.tqdm import tqdm as hub_tqdm

from pipeline.encoders.download_errors import OTHER_CACHE, explanation, first_line, is_missing, is_timeout, is_transient
from pipeline.encoders.file_digest import file_sha256, is_sha256, sha256_in_cache
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, Progress

__all__ = ["HubFile", "SilentBar", "cached", "download", "require_reachable"]

_ATTEMPTS = 3
_PAUSE_S = 0.5  # after the first, twice as long after the second
_MB = 1_000_000


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the hub.

    Parameters
    ----------
    repository : OWNER/NAME
    name : of the file in it
    purpose : what it is needed for, as an error calls it
    advice : how to do without the hub, as a sentence
    """

    repository: str
    name: str
    purpose: str
    advice: str

    def error(self, cause: str, advice: str) -> EncoderError:
        """An error that names the file, where it was to come from, why that failed and what to do."""
        return EncoderError(
            f"{self.purpose} are not on this machine and cannot be downloaded ({self.name} of {self.repository}, from "
            f"{constants.ENDPOINT}): {cause}. {advice}. {self.advice}"
        )


def cached(file: HubFile) -> Path | None:
    """The file in the hub's cache; None if it is not there.

    Raises
    ------
    EncoderError
        If its bytes are not those that the cache names it by.
    """
    name = try_to_load_from_cache(file.repository, file.name)
    if not isinstance(name, str):
        return None
    path = Path(name)
    _require_intact(path, sha256_in_cache(path))
    return path


def download(file: HubFile, on_progress: OnProgress) -> Path | None:
    """Download the file into the hub's cache; None if the repository has no such file.

    A connection that ends early is resumed by the hub's client; one that is reset begins again, three times at most.

    Raises
    ------
    EncoderError
        If it is not available, or its bytes are not those that the hub names. Nothing incomplete or damaged stays in
        the cache.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        waiting = False  # the hub's client tries again for a minute before it reports a timeout of a download
        try:
            metadata = _metadata(file)
            _require_space(file, metadata.size)
            waiting = True
            return _downloaded(file, metadata, on_progress)
        except EncoderError:
            raise
        except Exception as error:  # the hub's client and its HTTP library raise a dozen kinds
            if is_missing(error):
                return None
            if attempt == _ATTEMPTS or not is_transient(error) or (waiting and is_timeout(error)):
                raise file.error(*explanation(error, attempt)) from error
            on_progress(Progress(file.name, 0, 0, f"{file.name}: {first_line(error)}: trying again"))
            time.sleep(_PAUSE_S * attempt)
    raise AssertionError("the last attempt returns or raises")


def require_reachable(file: HubFile) -> None:
    """Check that the hub has the file and would send it; EncoderError with the reason if not."""
    try:
        _metadata(file)
    except Exception as error:  # a dozen kinds, as in `download`
        raise file.error(*explanation(error, 1)) from error


class SilentBar(hub_tqdm):
    """What the hub's client takes as a progress bar; it shows nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]  # it has no types


def _metadata(file: HubFile) -> HfFileMetadata:
    """Digest and size of the file, requested once: the client itself would repeat its request for minutes."""
    metadata = get_hf_file_metadata(hf_hub_url(file.repository, file.name), timeout=constants.HF_HUB_ETAG_TIMEOUT)
    if not (metadata.etag and metadata.commit_hash):
        raise FileMetadataError("no ETag or no commit")
    return metadata


def _downloaded(file: HubFile, metadata: HfFileMetadata, on_progress: OnProgress) -> Path:
    size = f" ({max(1, round(metadata.size / _MB))} MB)" if metadata.size else ""
    note = f"downloading {file.name}{size} of {file.repository} into {constants.HF_HUB_CACHE}"
    on_progress(Progress(file.name, 0, 0, note))
    bar = _reporting_bar(f"MB of {file.name}", metadata.size or 0, on_progress)
    path = Path(hf_hub_download(file.repository, file.name, tqdm_class=bar))
    _require_intact(path, metadata.etag or "")
    return path


def _reporting_bar(what: str, size: int, on_progress: OnProgress) -> type[hub_tqdm]:
    """A silent bar that reports megabytes."""

    class Bar(SilentBar):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.received = int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.received += int(n or 0)
            on_progress(Progress(what, self.received // _MB, max(1, round(size / _MB)) if size else 0))

        def update_transfer(self, n: float | None = 1) -> None:
            """Bytes on the wire: the client makes no second bar where this exists."""

    return Bar


def _require_space(file: HubFile, size: int | None) -> None:
    """Refuse before the first byte what cannot fit; a download of another process that is under way counts as space."""
    cache = Path(constants.HF_HUB_CACHE)
    folder = next(parent for parent in (cache, *cache.absolute().parents) if parent.exists())
    blobs = cache / f"models--{file.repository.replace('/', '--')}" / "blobs"
    in_progress = sum(path.stat().st_size for path in blobs.glob("*.incomplete") if path.exists())
    if size and (free := shutil.disk_usage(folder).free) + in_progress < size:
        raise file.error(f"{size / _MB:,.0f} MB needed in {cache}, {free / _MB:,.0f} MB free", OTHER_CACHE)


def _require_intact(path: Path, expected: str) -> None:
    """Check a file against its sha256, if that is what the hub names it by; the client itself compares sizes only."""
    if not is_sha256(expected) or (actual := file_sha256(path)) == expected:
        return
    size = path.stat().st_size
    raise EncoderError(
        f"{path}: expected the file with sha256 {expected[:12]}, as the hub names it, found {size:,} bytes with "
        f"sha256 {actual[:12]}: damaged or altered on its way or on this disk. {_removed(path)}"
    )


def _removed(path: Path) -> str:
    """Remove a damaged file and the links to it; what a user has to do then."""
    links = [path]
    while links[-1].is_symlink():
        links.append(links[-1].parent / os.readlink(links[-1]))
    try:
        for link in links:
            link.unlink(missing_ok=True)
    except OSError as error:
        return f"Remove it ({error.strerror}) and run the command again to download it"
    return "It has been removed: run the command again to download it"
