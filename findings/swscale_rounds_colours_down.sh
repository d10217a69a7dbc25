#!/bin/bash
# FFmpeg's swscale, as PyAV calls it by default, makes pictures of H.264 videos up to 3 of 255 darker than they are.
#
# Seen with PyAV 18.1.0 (FFmpeg 8.1): a flat skin tone (222, 184, 160), BT.709, is read as (219, 182, 157) by
# `to_ndarray(format="rgb24")`. With the flags ACCURATE_RND and FULL_CHR_H_INT it is (220, 184, 158), what 8-bit Y, Cb and
# Cr can hold. Without them swscale takes a table-driven converter, which rounds down and uses one colour for 2 x 2 pixels;
# with ACCURATE_RND alone white is (253, 253, 253). The exact way takes about ten times as long: 1.0 against 0.1 ms for
# 640 x 360 pixels, where decoding takes 0.3.
# Source: FFmpeg's libswscale/swscale_unscaled.c and yuv2rgb.c; SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT in swscale.h.
# Exit 0 while it is so, 1 if it has changed.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > colours.py <<'P'
import av, numpy as np
from av.video.reformatter import Interpolation as I

SKIN, WHITE = (222, 184, 160), (255, 255, 255)
FLAGS = {"default": I.BILINEAR, "accurate": I.BILINEAR | I.ACCURATE_RND, "exact": I.BILINEAR | I.ACCURATE_RND | I.FULL_CHR_H_INT}

def frame_of(colour):
    with av.open("a.mp4", "w") as file:
        options = {"crf": "1", "x264-params": "log-level=none"}
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        given = av.VideoFrame.from_ndarray(np.full((64, 64, 3), colour, np.uint8), format="rgb24")
        for i in range(3):
            frame = given.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts = i
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with av.open("a.mp4") as file:
        return next(file.decode(video=0))

off = {}
for name, flags in FLAGS.items():
    for colour in (SKIN, WHITE):
        rgb = frame_of(colour).reformat(format="rgb24", interpolation=int(flags)).to_ndarray()[32, 32].astype(int)
        off[name] = max(off.get(name, 0), int(np.abs(rgb - colour).max()))
        print(name, colour, rgb.tolist())
raise SystemExit(0 if off["default"] >= 3 and off["exact"] <= 2 else 1)
P
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
v/bin/python colours.py
