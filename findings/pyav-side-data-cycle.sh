#!/bin/bash
# Reading `frame.side_data` of PyAV keeps each decoded picture in memory until Python's next garbage collection.
#
# Seen with PyAV 18.1.0: `Frame.side_data` makes a container that refers to the frame, and the frame keeps the container. The
# two are a reference cycle, so a frame is not freed when the loop drops it. A frame is one Python object, whatever its
# size: the collector, which counts objects, sees no reason to run, and 200 frames of 640 x 360 pixels, 0.35 MB each in
# yuv420p, stay. Whoever looks for the display matrix (is this phone video upright?) in every frame meets it.
# `av.sidedata.sidedata.SideDataContainer(frame)` gives the same data, and nothing stays.
# Source: PyAV, av/frame.py (property side_data), av/sidedata/sidedata.py (_SideDataContainer.frame).
# Exit 0 while it is so, 1 if it has changed.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > cycle.py <<'P'
import gc

import av
from av.sidedata.sidedata import SideDataContainer

with av.open("a.mp4", "w") as file:
    stream = file.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
    for i in range(200):
        frame = av.VideoFrame(640, 360, "yuv420p")
        frame.pts = i
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))
gc.disable()  # as between two collections
for name, read in {"nothing": id, "container": SideDataContainer, "side_data": lambda one: one.side_data}.items():
    gc.collect()
    with av.open("a.mp4") as file:
        for frame in file.decode(video=0):
            read(frame)
    del frame
    print(name, sum(isinstance(one, av.VideoFrame) for one in gc.get_objects()))
P
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
v/bin/python cycle.py | tee out
# Seen: nothing 0, container 0, side_data 200
test "$(awk '{ printf "%s ", $2 }' out)" = "0 0 200 "
