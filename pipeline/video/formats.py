"""Which files are videos: by their names, and by their beginnings where one is opened. No decoder is loaded."""

from __future__ import annotations

from pathlib import PurePath

__all__ = ["DEMUXERS", "HEADER_BYTES", "VIDEO_SUFFIXES", "is_video", "no_such_frame", "refusal"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".ts", ".mts"}
)
# FFmpeg's names of the containers that these suffixes mean. All others stay closed: playlists and some streaming
# formats name other files and addresses, which FFmpeg would open.
DEMUXERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "avi", "matroska", "webm", "mpeg", "mpegts", "asf", "flv", "ogg")
HEADER_BYTES = 4096  # of a file, which are checked before FFmpeg opens it

_PLAYLISTS = (b"#EXTM3U", b"ffconcat")


def is_video(name: PurePath | str) -> bool:
    """Whether the name has a suffix of a video format, in any case."""
    _, dot, end = (name if isinstance(name, str) else name.name).rpartition(".")
    return dot + end.casefold() in VIDEO_SUFFIXES


def refusal(begin: bytes) -> str:
    """Why a file is not passed to FFmpeg; empty if it is.

    Parameters
    ----------
    begin : its first `HEADER_BYTES` bytes
    """
    if not begin:
        return "not a video: the file is empty"
    # Every container of pictures has bytes of 0 in its header; a playlist is text, and names other files to open.
    if begin.startswith(_PLAYLISTS) or b"\0" not in begin:
        return "not a video: a playlist or another text"
    return ""


def no_such_frame(n_frames: int) -> str:
    """The reason to reject a row whose video has fewer frames."""
    return f"video has no such frame: it has {n_frames:,}"
