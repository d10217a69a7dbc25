"""Tiny videos for tests, written with PyAV: each frame shows its own number, so that a test sees which one was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["CODECS", "audio_only", "flat", "number_of", "numbered", "numbered_frames", "remux", "write_video"]

Pixels = npt.NDArray[np.uint8]

CODECS = {
    ".mp4": "libx264",
    ".m4v": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".avi": "mpeg4",
    ".flv": "flv",
    ".webm": "libvpx-vp9",
    ".mpg": "mpeg1video",
    ".ts": "mpeg2video",
    ".wmv": "wmv2",
}
"""Suffix -> the encoder that `write_video` takes for it"""

_TICKS = 1000  # per second: of times that are stated
_BITS, _BLACK, _WHITE = 8, 40, 215
_MATRIX = {"bt709": 1, "bt601": 5, "smpte170m": 6}  # AVCOL_SPC_*
_MARGIN = 4


def numbered(number: int, size: int = 64) -> Pixels:
    """A picture of eight bars, black or white by the bits of `number` (0 to 255), below a red band at the top.

    Returns
    -------
    uint8, shape (size, size, 3)
    """
    bits = [_WHITE if number >> bit & 1 else _BLACK for bit in range(_BITS)]
    row = np.repeat(np.array(bits, np.uint8), size // _BITS)
    picture = np.repeat(np.tile(row, (size, 1))[..., None], 3, axis=2)
    picture[: size // 4] = (200, 40, 40)
    return picture


def numbered_frames(n_frames: int, size: int = 64) -> list[Pixels]:
    """`numbered` of 0 to `n_frames` - 1."""
    return [numbered(number, size) for number in range(n_frames)]


def number_of(picture: Image.Image | Pixels) -> int:
    """The number that an upright picture shows, whatever its size and however it was compressed."""
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    grey = pixels[height // 2 : height - _MARGIN].mean(axis=(0, 2))
    bars = [grey[(2 * bit + 1) * width // (2 * _BITS)] for bit in range(_BITS)]
    return sum(1 << bit for bit, value in enumerate(bars) if value > (_BLACK + _WHITE) / 2)


def flat(colour: tuple[int, int, int], n_frames: int = 3, size: int = 64) -> list[Pixels]:
    """Pictures of one colour."""
    return [np.full((size, size, 3), colour, np.uint8) for _ in range(n_frames)]


def write_video(
    path: Path,
    pictures: Sequence[Pixels],
    *,
    codec: str = "",
    rate: Fraction | int = 25,
    times_s: Sequence[float] | None = None,
    rotation: float = 0,
    pix_fmt: str = "yuv420p",
    matrix: str = "",
    full_range: bool = False,
    audio_s: float = 0,
    options: Mapping[str, str] | None = None,
    muxer: Mapping[str, str] | None = None,
    stream: Mapping[str, Any] | None = None,
) -> Path:
    """Write pictures as a video; its container follows from the suffix.

    Parameters
    ----------
    pictures : uint8, shape (H, W, 3) each, even sides; as they are stored, before the rotation
    codec : an encoder; by default that of `CODECS`
    rate : frames a second
    times_s : time of each picture, in thousandths of a second: a variable rate, or a first frame after 0
    rotation : degrees counter-clockwise by which a player turns the pictures (.mp4, .mov, .mkv)
    matrix : `bt709`, `bt601` or `smpte170m`: pictures are converted by it and the file states it; empty: BT.601, and
        nothing stated
    full_range : values 0 to 255 instead of 16 to 235
    audio_s : seconds of silence beside the pictures
    options : of the encoder, as {"g": "6", "bf": "0"}
    muxer : options of the container, as {"movflags": "faststart"}
    stream : attributes of the video's codec, as {"gop_size": 6}
    """
    with av.open(str(path), "w", options=dict(muxer or {})) as container:
        video = container.add_stream(codec or CODECS[path.suffix], rate=rate, options=dict(options or {}))
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pix_fmt
        if times_s is not None:
            video.codec_context.time_base = Fraction(1, _TICKS)
        if matrix:
            video.codec_context.colorspace = _MATRIX[matrix]
        if matrix or full_range:
            video.codec_context.color_range = 2 if full_range else 1
        for name, value in (stream or {}).items():
            setattr(video.codec_context, name, value)
        if rotation:
            video.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=16000) if audio_s else None
        for i, picture in enumerate(pictures):
            frame = _frame(picture, pix_fmt, matrix, full_range)
            frame.pts, frame.time_base = (
                (i, 1 / Fraction(rate)) if times_s is None else (round(times_s[i] * _TICKS), Fraction(1, _TICKS))
            )
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            _write_silence(container, sound, audio_s)
    return path


def remux(source: Path, target: Path, change: Callable[[Any, int], None]) -> Path:
    """Copy the pictures of a video, as they are encoded, and change each packet, which has a number."""
    with av.open(str(source)) as video, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(video.streams.video[0])
        for number, packet in enumerate(packet for packet in video.demux(video=0) if packet.size):
            packet.stream = stream
            change(packet, number)
            container.mux(packet)
    return target


def audio_only(path: Path, seconds: float = 0.5) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        _write_silence(container, container.add_stream("aac", rate=16000), seconds)
    return path


def _frame(picture: Pixels, pix_fmt: str, matrix: str, full_range: bool) -> av.VideoFrame:
    given = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return given.reformat(
        format=pix_fmt,
        dst_colorspace="ITU709" if matrix == "bt709" else "ITU601",
        dst_color_range="JPEG" if full_range else "MPEG",
        interpolation="BICUBIC",
    )


def _write_silence(container: Any, sound: Any, seconds: float) -> None:
    rate, at_once = sound.rate, 1024
    for start in range(0, int(seconds * rate), at_once):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, at_once), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))
