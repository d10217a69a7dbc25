#!/bin/bash
# The times that FFmpeg gives to H.264 frames in an AVI file are not those at which they are shown.
#
# Seen with PyAV 18.1.0 (FFmpeg 8.1): 12 frames, H.264 with B-frames. From .mp4 they are decoded as 0, 1, 2, ... with times that
# ascend. From .avi they come out in the same order, and their `pts` are 1, 3, 4, 2, 5, 7, 6, ...: AVI has no times of its own,
# FFmpeg numbers the packets, whose order is that of decoding. Whoever looks for "the frame at pts 2" gets the fourth
# one. So frames of AVI files have to be counted as they come out of the decoder.
# Source: FFmpeg's libavformat/demux.c (compute_pkt_fields); AVI's index states no presentation times.
# Exit 0 while it is so, 1 if it has changed.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > times.py <<'P'
import av, numpy as np

for suffix in ("mp4", "avi"):
    with av.open(f"a.{suffix}", "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"bf": "3", "crf": "10", "x264-params": "log-level=none"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(12):
            picture = np.full((64, 64, 3), 20 * i, np.uint8)
            picture[:, 4 * i : 4 * i + 4] = 255 - 20 * i  # something moves, so that frames refer to others
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = i
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with av.open(f"a.{suffix}") as file:
        times = [frame.pts for frame in file.decode(video=0)]
    print(suffix, "ascending" if times == sorted(times) else "not-ascending", *times)
P
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
v/bin/python times.py | tee out
grep -q "^mp4 ascending" out && grep -q "^avi not-ascending" out
