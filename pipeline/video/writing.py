"""Frames -> a small video file, in memory."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from pipeline.errors import ConfigError

__all__ = ["mp4_bytes"]

_CODEC: Final = "libx264"
# Without cpu-independent, x264 rounds in ways that gave a clip in four other bytes in a second run of one process.
_OPTIONS = {"preset": "veryfast", "crf": "20", "threads": "1", "x264-params": "log-level=none:cpu-independent=1"}


def mp4_bytes(frames: npt.NDArray[np.uint8], frames_per_second: int) -> bytes:
    """An .mp4 of H.264, 4:2:0, in the colours of BT.709 and tagged so.

    One thread encodes: the same frames give the same bytes on a machine, with one build of FFmpeg.

    Parameters
    ----------
    frames : uint8 RGB, shape (F, H, W, 3), H and W even
    frames_per_second : > 0

    Raises
    ------
    ConfigError
        If this build of PyAV cannot encode H.264.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        try:
            stream = container.add_stream(_CODEC, rate=frames_per_second, options=_OPTIONS)
        except av.codec.codec.UnknownCodecError as error:
            raise ConfigError(
                f"expected a PyAV that encodes H.264 with {_CODEC}, found {av.__version__} without. Install PyPI's "
                "wheel: pip install --force-reinstall --only-binary av av"
            ) from error
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = Colorspace.ITU709.value, ColorRange.MPEG.value
        context.color_primaries, context.color_trc = ColorPrimaries.BT709.value, ColorTrc.BT709.value
        context.flags |= av.codec.context.Flags.bitexact
        for picture in frames:
            rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
