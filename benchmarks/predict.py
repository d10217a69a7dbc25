"""`predict` on real pictures of people whom no head was trained on: faces found, accuracy, pictures/s, peak memory.

Needs the muxspace pack, whose splits are by person. Shown beside it: what the detector alone and the encoder with its
head alone do in a second, on the same pictures.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from machine import show
from memory import measured
from PIL import Image

from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root
from pipeline.faces.detector import load_detector
from pipeline.images.alignment import Alignment
from pipeline.images.decode import decode_picture
from pipeline.predict import Predictor
from pipeline.predict.recognition import ExpressionClassifier
from pipeline.predict.saved import DEFAULT_HEAD, read_saved

PACKS = Path(os.environ.get("FER_STAGE_PACKS") or Path(__file__).parents[2] / "shared" / "data")


def write_pictures(pack: Path, folder: Path, split: str, n: int, seed: int) -> dict[str, str]:
    """`n` pictures of the split, at random; file name -> label."""
    frame = index_dataset("muxspace", "muxspace", pack, {}).frame
    chosen = frame[(frame["split"] == split) & (frame["status"] == "ok")].sample(n, random_state=seed)
    folder.mkdir()
    with open_root(pack) as root:
        for path in chosen["path"]:
            (folder / Path(path).name).write_bytes(root.read(path))
    return {Path(path).name: label for path, label in zip(chosen["path"], chosen["label"], strict=True)}


def predicted(folder: Path, run: Sequence[str], *names: str) -> tuple[list[dict[str, str]], float, float]:
    """Rows, seconds and peak MB of the whole command."""
    start = time.perf_counter()
    text, mb = measured(folder, "predict", *names, *run, "--format", "csv", "--quiet")
    return list(csv.DictReader(io.StringIO(text))), time.perf_counter() - start, mb


def quality(rows: Sequence[Mapping[str, str]], labels: Mapping[str, str]) -> dict[str, Any]:
    """Of the largest face of each picture; a picture without a face is not right."""
    largest = {Path(row["image"]).name: row for row in reversed(rows)}
    found = {name for name, row in largest.items() if row["status"] == "face"}
    right = {name for name in found if largest[name]["expression"] == labels[name]}
    classes = sorted(set(labels.values()))
    of_class = {label: [name for name in labels if labels[name] == label] for label in classes}
    recalls = {label: round(len(right.intersection(names)) / len(names), 3) for label, names in of_class.items()}
    return {
        "pictures": len(labels),
        "faces_found_in": round(len(found) / len(labels), 4),
        "accuracy": round(len(right) / len(labels), 4),
        "accuracy_where_found": round(len(right) / max(1, len(found)), 4),
        "uar": round(float(np.mean(list(recalls.values()))), 4),
        "recall": recalls,
        "n": {label: len(names) for label, names in of_class.items()},
        "most_frequent_label": round(max(map(len, of_class.values())) / len(labels), 4),
        "mean_probability": round(float(np.mean([float(largest[name]["probability"]) for name in found])), 4),
    }


def alone(folder: Path, names: Sequence[str], run: Path) -> dict[str, float]:
    """Pictures a second of each part, one thread of ours each."""
    saved, detector = read_saved(run), load_detector()
    classifier = ExpressionClassifier.load(saved)
    alignment = Alignment() if saved.alignment is None else Alignment.from_json(saved.alignment)
    pictures = [decode_picture((folder / name).read_bytes()) for name in names]
    found: list[tuple[Image.Image, Any]] = []

    def detect() -> None:
        found.extend((picture, face) for picture in pictures for face in detector.detect(picture)[:1])

    detect_s = seconds(detect)
    batch = {
        size: np.stack([np.asarray(alignment.crop(picture, face.landmarks, size)) for picture, face in found])
        for size in classifier.sizes
    }
    n = len(found)

    def name_all() -> None:
        for start in range(0, n, 64):
            classifier({size: values[start : start + 64] for size, values in batch.items()})

    name_all()
    return {"detector": round(len(pictures) / detect_s, 1), "encoder_and_head": round(n / seconds(name_all), 1)}


def warm(pictures: Sequence[Path], run: Path) -> dict[str, float]:
    """Median milliseconds a picture, one after the other, of a `Predictor` that is loaded: CPU time and all."""
    predictor = Predictor(run)
    predictor.predict(pictures[0])
    cpu, wall = [], []
    for picture in pictures:
        start, busy = time.perf_counter(), time.process_time()
        predictor.predict(picture)
        cpu.append(time.process_time() - busy)
        wall.append(time.perf_counter() - start)
    return {"cpu_ms": round(1000 * float(np.median(cpu)), 1), "ms": round(1000 * float(np.median(wall)), 1)}


def seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pack", type=Path, default=PACKS / "muxspace.tar.gz")
    parser.add_argument("--run", type=Path, default=DEFAULT_HEAD, help="a trained run or an exported head")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--split", default="test", help="to choose anything by, use val")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run = options.run.absolute()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        labels = write_pictures(options.pack, work / "pictures", options.split, options.pictures, options.seed)
        head = ("--run", str(run))
        few = [f"pictures/{picture}" for picture in islice(labels, options.pictures // 5)]
        _, few_s, few_mb = predicted(work, head, *few)
        rows, all_s, all_mb = predicted(work, head, "pictures")
        _, cold_s, _ = predicted(work, head, few[0])
        one_by_one = warm([work / "pictures" / picture for picture in list(labels)[:50]], run)
        parts = alone(work / "pictures", list(labels)[:200], run)
    show(
        {
            "what": f"predict on {options.pictures} pictures of muxspace's {options.split} split",
            "head": f"{options.run.name}, trained on {read_saved(run).description['dataset']}",
            **quality(rows, labels),
            "pictures_per_s": round((len(labels) - len(few)) / (all_s - few_s), 1),  # without the start
            "alone_per_s": parts,
            "one_picture": {"cold_s": round(cold_s, 2), "warm": one_by_one},
            "seconds": {str(len(few)): round(few_s, 2), str(len(labels)): round(all_s, 2)},
            "peak_mb": {str(len(few)): round(few_mb), str(len(labels)): round(all_mb)},
        }
    )


if __name__ == "__main__":
    main()
