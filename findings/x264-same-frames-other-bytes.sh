#!/usr/bin/env bash
# x264 gives other bytes for the same frames in a second run, with one thread, unless `cpu-independent` is set.
#
# Small pictures (48 to 144 pixels) with the default macroblock tree: some clips differ between two calls in one process,
# in size and in decoded pixels (by up to 10 of 255). `threads=1`, `sync-lookahead=0` and `lookahead-threads=1` do not
# help; `no-mbtree=1`, `asm=0` and `cpu-independent=1` do. x264's help names the latter for equal output across CPUs, not
# within one. It hits who compares digests of generated videos, or caches by them.
#
# Source: PyAV 18.1.0's wheel (libavcodec 62.28.102, libx264). Exits 0 while that is so, 1 if it has changed.
# Seen on Linux x86_64, Python 3.11, 2026-11-29:
#   of 6 clips, 2 have other bytes in another run; with cpu-independent, 0
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv; venv/bin/pip -q install av==18.1.0 numpy
cat > encode.py <<'P'
import io, sys
import av, numpy as np

rng = np.random.default_rng(0)

def clip(side):
    """A disc that moves over noise: 24 frames."""
    y, x = np.ogrid[:side, :side]
    noise, frames = rng.integers(0, 60, (side, side, 3)), []
    for t in range(24):
        disc = (x - side / 2 - 6 * np.sin(t / 4)) ** 2 + (y - side / 2 - 4 * np.cos(t / 3)) ** 2 < (side / 3) ** 2
        frames.append((noise + 120 * disc[..., None] + rng.integers(0, 20, (side, side, 3))).astype(np.uint8))
    return frames

def encoded(frames, params):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        options = {"preset": "veryfast", "crf": "20", "threads": "1", "x264-params": params}
        stream = out.add_stream("libx264", rate=12, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return file.getvalue()

clips = [clip(side) for side in (48, 48, 100, 100, 144, 144)]

def n_varying(params):
    return sum(len({encoded(frames, params) for _ in range(12)}) > 1 for frames in clips)

plain, independent = n_varying("log-level=none"), n_varying("log-level=none:cpu-independent=1")
print(f"of {len(clips)} clips, {plain} have other bytes in another run; with cpu-independent, {independent}")
sys.exit(not (plain and not independent))
P
venv/bin/python encode.py
