"""What a frame of a video is known by in tables and stores: the video's bytes, its number, and what decodes it.

Not its pixels: every frame would have to be decoded to compare two tables. The libraries of FFmpeg are loaded when they
are first asked for.
"""

from __future__ import annotations

import hashlib
from importlib import import_module

__all__ = ["decoder_version", "frame_sha256"]


def decoder_version() -> str:
    """What decodes the frames of videos: another version may give other pixels."""
    versions = import_module("av").library_versions
    return ", ".join(f"{name} {'.'.join(map(str, versions[name]))}" for name in ("libavcodec", "libswscale"))


def frame_sha256(video_sha256: bytes, number: int) -> str:
    """The digest of a frame, as this program decodes it.

    Parameters
    ----------
    video_sha256 : of the bytes of the video, 32 bytes
    number : of the frame, from 0
    """
    return hashlib.sha256(f"{video_sha256.hex()}\n{number}\n{decoder_version()}".encode()).hexdigest()
