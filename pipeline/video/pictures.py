"""A decoded frame as an upright RGB picture."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from pipeline.errors import ImageError
from pipeline.video.opening import check_pixels

__all__ = ["Pixels", "ToPictures", "quarter_turns"]

Pixels = npt.NDArray[np.uint8]
"""uint8, shape (H, W, 3)"""

UNKNOWN_COLOURS = "frame has colours that cannot be converted"

# Without these swscale takes a faster way, which rounds down and repeats the colour of each second pixel: it is off by
# 3 of 255 where this is off by 2, and its result depends on the processor. This takes 1.0 ms more for 640 x 360 pixels.
_EXACT = int(
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
)


class ToPictures:
    """Converts the frames of one video. Not for several threads at once.

    Colours follow the matrix and the range that each frame states: BT.601, BT.709, BT.2020, SMPTE 240M, 16-235 or
    0-255. Where a frame states none FFmpeg's own rule is applied, BT.601 and 16-235, whatever its size. More than 8
    bits are rounded to 8; brightness of HDR videos (PQ, HLG) is not mapped to that of others. Both fields of an
    interlaced frame are kept, line by line. Pixels are taken as they are stored: where they are not square
    (`sample_aspect_ratio`) a player would show the picture wider or narrower.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        """The picture, rotated and mirrored as the file's display matrix says, to the nearest quarter turn.

        Raises
        ------
        ImageError
            If its colours are of a kind that FFmpeg does not convert, or it is larger than `MAX_PIXELS`.
        """
        check_pixels(frame.width, frame.height)
        try:
            rgb = self._reformatter.reformat(frame, format="rgb24", interpolation=_EXACT, threads=1)
        except (av.FFmpegError, ValueError) as error:
            raise ImageError(f"{UNKNOWN_COLOURS}: {frame.format.name}") from error
        pixels: npt.NDArray[Any] = rgb.to_ndarray()
        turns, is_mirrored = quarter_turns(frame)
        if is_mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, turns))


def quarter_turns(frame: VideoFrame) -> tuple[int, bool]:
    """Quarter turns counter-clockwise that make a frame upright, 0 to 3, and whether it is mirrored (left and right)
    before that."""
    # `frame.side_data` would keep the container that refers to it: a cycle, and the picture in it would stay in memory
    # until the next garbage collection (findings/pyav-side-data-cycle.sh).
    side_data: Any = SideDataContainer(frame)  # type: ignore[call-arg]  # the stubs know no argument
    try:
        matrix = struct.unpack("=9i", bytes(side_data[Type.DISPLAYMATRIX]))
    except (KeyError, struct.error):
        return 0, False
    # Of the matrix only the part [[a, b], [c, d]] rotates and mirrors: a point (x, y) is shown at (ax + cy, bx + dy).
    a, b, _, c, d = matrix[:5]
    is_mirrored = a * d - b * c < 0
    if is_mirrored:
        a, b = -a, -b
    turns = round(float(np.arctan2(-b, a)) / (np.pi / 2)) % 4 if a or b else 0
    return turns, is_mirrored
