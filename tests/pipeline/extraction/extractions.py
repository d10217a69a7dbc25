"""What the tests of the extraction share: shards, a way to run them, and who is still at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fake_encoder import FakeEncoder
from image_files import write_folder

from pipeline.datasets.roots import Root, open_root
from pipeline.extraction import Extraction, Shard, empty_blocks, outputs_of
from pipeline.images.prepare import Preparer
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform

__all__ = ["PIXELS", "WatchedEncoder", "cut", "extraction", "extraction_of", "helpers", "wait_until", "whole"]

PIXELS = 8
PATIENCE_S = 10


@dataclass
class WatchedEncoder(FakeEncoder):
    """Calls `on_batch` with the number of batches before each one."""

    on_batch: Callable[[int], object] = lambda n: None

    def encode_images(self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)) -> Any:
        self.on_batch(len(self.batches))
        return super().encode_images(pixels, outputs)


def extraction_of(
    root: Root, encoder: FakeEncoder, names: Sequence[str] = ("pooled", "pixels"), dtype: str = "float32", **given: Any
) -> Extraction:
    preparer = Preparer(root, ImageTransform(encoder.preprocess, (encoder.preprocess.size, PIXELS)))
    given = {"n_views": 1, "batch_size": 8, "decoders": 1} | given
    return Extraction(encoder, preparer, outputs_of(encoder, names, dtype, PIXELS), **given)


@contextmanager
def extraction(
    files: Mapping[str, bytes], folder: Path, encoder: FakeEncoder | None = None, **given: Any
) -> Iterator[Extraction]:
    """An open extraction of `files`, written below `folder`."""
    path = folder / "images"
    with (
        open_root(path if path.exists() else write_folder(files, path)) as root,
        extraction_of(root, encoder or FakeEncoder(), **given) as run,
    ):
        yield run


def cut(run: Extraction, images: Sequence[ImageRow], n_rows: int, size: int) -> Iterator[Shard]:
    """Shards of `size` rows, made when they are asked for; a row without an image was rejected when it was indexed."""
    for number, start in enumerate(range(0, n_rows, size)):
        rows = range(start, min(start + size, n_rows))
        mine = tuple(image for image in images if image.row in rows)
        yield Shard(number, rows, mine, empty_blocks(run.outputs, run.n_views, len(rows)))


def whole(shards: Sequence[Shard], output: str = "pooled") -> npt.NDArray[Any]:
    return np.concatenate([shard.blocks[output] for shard in shards], axis=1)


def helpers() -> list[str]:
    """Threads of extractions that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("prefetch", "decode"))]


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < end, f"not met within {PATIENCE_S} s"
        time.sleep(0.005)
