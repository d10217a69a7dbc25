#!/bin/bash
# OpenCV before 4.13 decodes a video whose file names BT.709 as if it named BT.601.
#
# Seen: opencv-python-headless 4.12.0.88 gives the same pixels whatever matrix the file names; 4.13.0.92 follows the
# file. Of a reddish skin tone the green channel moves by 12 of 255, enough to change what a face classifier answers.
# Every HD video is BT.709 (telephones, YouTube), so frames that were decoded before and after an update of OpenCV
# are not the same data.
# Source: opencv/opencv#20513 (2021, still open); swscale's default conversion, BT.601, was used for every video.
# Exit 0 while it is so, 1 if it has changed.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > decode.py <<'P'
"""The colour of one flat video: as it was written, and with its Matroska header saying BT.709."""
import sys, pathlib, cv2, numpy as np

def width(first): return 9 - first.bit_length()

def elements(data):
    at = 0
    while at < len(data):
        name = data[at : at + width(data[at])]; at += len(name)
        w = width(data[at]); size = int.from_bytes(data[at : at + w], "big") & ((1 << 7 * w) - 1); at += w
        size = len(data) - at if size == (1 << 7 * w) - 1 else size
        yield name.hex(), data[at : at + size]; at += size

def element(name, content): return bytes.fromhex(name) + (len(content) | 1 << 56).to_bytes(8, "big") + content

INSIDE = {"18538067": ("1549a966", "1654ae6b", "1f43b675"), "1654ae6b": None, "ae": None}

def rewritten(data, colour):
    parts = []
    for name, content in elements(data):
        if name in INSIDE:
            content = rewritten(b"".join(element(n, c) for n, c in elements(content) if not INSIDE[name] or n in INSIDE[name]), colour)
        elif name == "e0":  # the video track: its Colour element, with MatrixCoefficients
            content = b"".join(element(n, c) for n, c in elements(content) if n != "55b0") + colour
        parts.append(element(name, content))
    return b"".join(parts)

plain = pathlib.Path("plain.mkv")
if not plain.exists():
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for _ in range(10):
        writer.write(np.full((48, 64, 3), (40, 60, 200), np.uint8))
    writer.release()
shown = [cv2.__version__]
for matrix in (6, 1):  # BT.601, BT.709
    path = pathlib.Path(f"matrix-{matrix}.mkv")
    path.write_bytes(rewritten(plain.read_bytes(), element("55b0", element("55b1", bytes([matrix])))))
    ok, frame = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).read()
    assert ok
    shown.append(",".join(map(str, frame[20, 20, ::-1])))
print(*shown)
P
for version in 4.12.0.88 4.13.0.92; do
    python3 -m venv "v$version"
    "v$version/bin/pip" install --quiet --disable-pip-version-check "opencv-python-headless==$version" "numpy==2.2.6"
    "v$version/bin/python" decode.py 2>/dev/null > "$version"
    echo "opencv-python-headless $version: version, RGB as BT.601, RGB as BT.709: $(cat $version)"
done
read -r _ a b < 4.12.0.88; read -r _ c d < 4.13.0.92
[ "$a" = "$b" ] && [ "$c" != "$d" ] && [ "$a" = "$c" ]
