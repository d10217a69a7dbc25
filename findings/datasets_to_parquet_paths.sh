#!/usr/bin/env bash
# datasets 5.2.0: a dataset of image files is whole after `save_to_disk`, and empty of images after `to_parquet`.
#
# `Dataset.from_dict({"image": [paths]})` with the feature `Image()` refers to files. `save_to_disk` puts their bytes into
# the Arrow files. `to_parquet` does not: its column has no bytes, and the absolute paths of the machine that wrote it.
# Elsewhere the same parquet, opened by `load_dataset` or by any reader, has rows with labels and without pictures; on the
# machine that wrote it nothing is amiss. It hits who shares a parquet copy of a face dataset, and who reads one: rows
# whose image is missing have to be counted, and no path of another machine may be followed.
#
# Source: pip packages datasets 5.2.0, pyarrow 26.0.1, pillow 13.0.0. Exits 0 while that is so, 1 if it has changed.
# Seen on Linux x86_64, Python 3.11, 2026-11-29:
#   save_to_disk: bytes True, path of the file's folder False
#   to_parquet: bytes False, path of the file's folder True
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv; venv/bin/pip -q install datasets==5.2.0 pyarrow==26.0.1 pillow==13.0.0
cat > show.py <<'PY'
import os

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Picture

folder = os.path.abspath("faces")
os.mkdir(folder)
paths = [os.path.join(folder, f"{i}.png") for i in range(3)]
for shade, path in enumerate(paths):
    Picture.new("L", (48, 48), 80 * shade).save(path)
features = Features({"image": Image(), "label": ClassLabel(names=["fear", "anger"])})
faces = Dataset.from_dict({"image": paths, "label": [0, 1, 0]}, features=features)
faces.save_to_disk("saved")
faces.to_parquet("faces.parquet")
with pa.memory_map("saved/data-00000-of-00001.arrow") as file:
    saved = pa.ipc.open_stream(file).read_all()["image"].to_pylist()
written = pq.read_table("faces.parquet")["image"].to_pylist()
for name, images in (("save_to_disk", saved), ("to_parquet", written)):
    has_bytes = all(image["bytes"] is not None for image in images)
    has_folder = any(folder in (image["path"] or "") for image in images)
    print(f"{name}: bytes {has_bytes}, path of the file's folder {has_folder}")
PY
HF_HUB_OFFLINE=1 HF_HOME="$W/home" venv/bin/python show.py 2>log | tee out
[ "$(cat out)" = "save_to_disk: bytes True, path of the file's folder False
to_parquet: bytes False, path of the file's folder True" ]
