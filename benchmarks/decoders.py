"""What could prepare pictures faster: other JPEG decoders, and processes in place of threads. In CPU time.

Decoders are measured if they are installed (torchvision is; simplejpeg, opencv-python-headless may be), each against
Pillow on the same file: decode and resize as `Preparer` does it, pixels of the resized square, and the feature.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from faces import face, write_faces
from machine import show
from PIL import Image

from pipeline.datasets.roots import open_root
from pipeline.encoders import EncoderSpec, ImageEncoder, load_image_encoder
from pipeline.images.decode import decode_picture
from pipeline.images.prepare import ImageBatch, Preparer
from pipeline.images.preprocess import Preprocess
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform

Decode = Callable[[bytes], Image.Image]
SIZE, REPEATS, IMAGES_PER_TASK = 224, 7, 32


def scaled(data: bytes) -> Image.Image:
    """Pillow's own JPEG, decoded at the smallest scale of 1/2, 1/4, 1/8 that still covers the square."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (SIZE, SIZE))
    image.load()
    return image


def installed() -> dict[str, Decode]:
    """Name -> decoder, Pillow first. All give what Pillow resizes."""
    found: dict[str, Decode] = {"pillow": decode_picture, "pillow, scaled": scaled}
    if find_spec("torchvision"):
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg

        def with_torchvision(data: bytes) -> Image.Image:
            raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            return Image.fromarray(np.ascontiguousarray(decode_jpeg(raw, ImageReadMode.RGB).permute(1, 2, 0).numpy()))

        found["torchvision"] = with_torchvision
    if find_spec("simplejpeg"):
        import simplejpeg

        found["simplejpeg"] = lambda data: Image.fromarray(simplejpeg.decode_jpeg(data, "RGB"))
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)
        flags = cv2.IMREAD_COLOR_RGB
        found["opencv"] = lambda data: Image.fromarray(cv2.imdecode(np.frombuffer(data, np.uint8), flags))
    return found


def cpu_ms(call: Callable[[], Any]) -> float:
    """CPU-milliseconds of a call: the least of some rounds, for on a busy machine caches are shared."""
    call()
    rounds = []
    for _ in range(REPEATS):
        start, n = time.thread_time(), 0
        while time.thread_time() - start < 0.1:
            call()
            n += 1
        rounds.append((time.thread_time() - start) / n)
    return round(1e3 * min(rounds), 3)


def decoders(sides: Sequence[int], encoder_name: str) -> dict[str, Any]:
    """For each side of a JPEG and each decoder: its time, and how far its square and its feature are from Pillow's."""
    encoder, square = load_image_encoder(EncoderSpec.parse(encoder_name), "cpu", "eager"), Preprocess(SIZE).square
    table: dict[str, Any] = {}
    for side in sides:
        data = face(side)
        reference, feature = square(decode_picture(data)), feature_of(encoder, decode_picture(data))
        rows = {}
        for name, decoder in installed().items():
            other = feature_of(encoder, decoder(data))
            rows[name] = {
                "decode_ms": cpu_ms(lambda: decoder(data)),  # noqa: B023  called at once
                "decode_and_resize_ms": cpu_ms(lambda: square(decoder(data))),  # noqa: B023  called at once
                "largest_pixel_difference": int(np.abs(square(decoder(data)).astype(int) - reference).max()),
                "feature_cosine": round(float(feature @ other / np.linalg.norm(feature) / np.linalg.norm(other)), 7),
            }
        for row in rows.values():
            row["times_faster"] = round(rows["pillow"]["decode_and_resize_ms"] / row["decode_and_resize_ms"], 2)
        table[f"{side} px"] = rows
    return table


def feature_of(encoder: ImageEncoder, picture: Image.Image) -> npt.NDArray[np.float64]:
    """(D,)"""
    pixels = encoder.preprocess.square(picture)[None].copy()
    return encoder.encode_images(pixels)["pooled"][0].astype(np.float64)


_preparer: Preparer | None = None


def _start(preparer: Preparer) -> None:
    global _preparer
    _preparer = preparer


def _prepare(images: Sequence[ImageRow]) -> ImageBatch:
    assert _preparer is not None
    return _preparer(images)


def cpu_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def executor(make: Callable[[], Executor], images: Sequence[ImageRow]) -> dict[str, float]:
    """CPU-seconds of this process and of its children, and the seconds to the first picture."""
    tasks = [images[i : i + IMAGES_PER_TASK] for i in range(0, len(images), IMAGES_PER_TASK)]
    before = [cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    with make() as pool:
        coming = [pool.submit(_prepare, task) for task in tasks]
        coming[0].result()
        first = time.perf_counter() - start
        for future in coming:
            future.result()
    after = [cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    here, there = (1e3 * (end - begin) / len(images) for begin, end in zip(before, after, strict=True))
    return {"this_process_cpu_ms": round(here, 3), "workers_cpu_ms": round(there, 3), "first_s": round(first, 2)}


def threads_and_processes(workers: int, n_rows: int) -> dict[str, Any]:
    """The same pictures prepared by `workers` threads, and by as many processes that send the squares back."""
    found: dict[str, Any] = {}
    for side, kind in ((48, "PNG"), (100, "JPEG"), (350, "JPEG")):
        with tempfile.TemporaryDirectory() as name:
            images = write_faces(Path(name), 256, n_rows, side, kind)
            with open_root(Path(name)) as root:
                preparer = Preparer(root, ImageTransform(Preprocess(SIZE), (SIZE,)))
                _start(preparer)
                makers: dict[str, Callable[[], Executor]] = {
                    "threads": lambda: ThreadPoolExecutor(workers),
                    "processes": lambda: ProcessPoolExecutor(workers, get_context("spawn"), _start, (preparer,)),  # noqa: B023  called at once
                }
                found[f"{kind} {side} px"] = {
                    name: _median([executor(make, images) for _ in range(3)]) for name, make in makers.items()
                }
    return found


def _median(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--encoder", default="untrained", help="whose features are compared")
    parser.add_argument("--sides", type=int, nargs="+", default=[48, 100, 224, 350, 1000, 1700], help="pixels")
    parser.add_argument("--workers", type=int, default=2, help="threads and processes that prepare")
    parser.add_argument("--rows", type=int, default=3000, help="pictures that they prepare")
    options = parser.parse_args()
    show(
        {
            "square": SIZE,
            "jpeg": decoders(options.sides, options.encoder),
            "threads_and_processes": threads_and_processes(options.workers, options.rows),
        }
    )


if __name__ == "__main__":
    main()
