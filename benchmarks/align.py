"""Share of faces found and faces/s, on real pictures upright and turned by up to 30 degrees. Needs a pack of faces.

Images are drawn with a seed from a sample table's usable rows; each is decoded once, then looked at in one thread, as
it is and turned about its middle by an angle drawn in [-30, 30] (all of the picture is kept, corners are black). How
far the landmarks of the two are apart, brought back, says how well they can be trusted: in distances between the eyes.
With --sheets both are written as contact sheets.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from machine import show
from PIL import Image

from pipeline.datasets.roots import open_root
from pipeline.faces import FaceDetector
from pipeline.faces.detector import load_detector
from pipeline.faces.search import Detection, find_face
from pipeline.faces.sheet import draw_contact_sheet
from pipeline.images.alignment import Alignment, transform_points
from pipeline.images.decode import decode_picture
from pipeline.tables.samples import SampleTable

DEGREES, ON_SHEET = 30, 60


def drawn(table: Path, root: Path | None, n: int, seed: int) -> list[Image.Image]:
    """`n` pictures of a dataset, drawn with `seed`, in the order of its table."""
    samples = SampleTable.read(table)
    paths = samples.usable["path"].to_numpy(dtype=object)
    rows = np.sort(np.random.default_rng(seed).permutation(len(paths))[:n])
    with open_root(root or Path(samples.info.root)) as opened:
        return [decode_picture(opened.read(path)) for path in paths[rows]]


def back(picture: Image.Image, turned: Image.Image, degrees: float) -> npt.NDArray[np.float64]:
    """From a point of the turned picture to the same one of the picture: shape (2, 3)."""
    a = math.radians(degrees)  # Pillow turns counter-clockwise while y points down
    turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    middle, there = np.array(picture.size) / 2, np.array(turned.size) / 2
    return np.hstack([turn, (middle - turn @ there)[:, None]])


def searched(pictures: Sequence[Image.Image], detector: FaceDetector) -> tuple[list[Detection], dict[str, Any]]:
    """What was found, and how fast."""
    start = time.perf_counter()
    cpu = time.process_time()
    detections = [find_face(picture, None, detector) for picture in pictures]
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    n_found = sum(detection.face is not None for detection in detections)
    return detections, {
        "found": round(n_found / len(pictures), 4),
        "several": sum(detection.n_faces > 1 for detection in detections),
        "faces_per_s": round(len(pictures) / seconds, 1),
        "faces_per_cpu_s": round(len(pictures) / busy, 1),
    }


def apart(one: Detection, other: Detection, matrix: npt.NDArray[np.float64]) -> float | None:
    """Mean distance of the landmarks of two detections, in distances between the eyes of the first."""
    if one.face is None or other.face is None:
        return None
    points = one.face.landmarks
    eyes = float(np.linalg.norm(points[0] - points[1]))
    return float(np.linalg.norm(points - transform_points(matrix, other.face.landmarks), axis=1).mean()) / max(
        eyes, 1.0
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=Path("tables/muxspace.parquet"))
    parser.add_argument("--root", type=Path, help="of the images, if the table does not say it rightly")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheets", type=Path, help="folder for two contact sheets")
    options = parser.parse_args()
    detector, pictures = load_detector(), drawn(options.table, options.root, options.images, options.seed)
    angles = np.random.default_rng(options.seed + 1).uniform(-DEGREES, DEGREES, len(pictures))
    turned = [
        picture.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        for picture, angle in zip(pictures, angles, strict=True)
    ]
    detector.detect(pictures[0])  # the network is built by the first look
    detections, upright = searched(pictures, detector)
    again, tilted = searched(turned, detector)
    distances = [
        apart(one, other, back(picture, picture_turned, angle))
        for one, other, picture, picture_turned, angle in zip(detections, again, pictures, turned, angles, strict=True)
    ]
    known = [distance for distance in distances if distance is not None]
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        for name, shown, found in (("upright", pictures, detections), ("turned", turned, again)):
            draw_contact_sheet(shown[:ON_SHEET], found[:ON_SHEET], Alignment()).save(options.sheets / f"{name}.png")
    show(
        {
            "what": f"faces of {len(pictures)} images of {options.table.stem}, one thread",
            "detector": dict(detector.identity),
            "opencv": cv2.__version__,
            "upright": upright,
            f"turned by up to {DEGREES} degrees": tilted,
            "landmarks_apart": {
                name: round(float(np.quantile(known, q)), 3) for name, q in (("median", 0.5), ("p90", 0.9))
            },
        }
    )


if __name__ == "__main__":
    main()
