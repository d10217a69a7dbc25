"""An encoder that takes a batch while it computes the last one: rows stay in order, and every run ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from extractions import cut, extraction, helpers, whole
from fake_encoder import FakeEncoder
from image_files import encoded, image_rows_of, noise

from pipeline.errors import EncoderError
from pipeline.progress import Progress, silent

FILES = {f"{i:02d}.png": encoded(noise(12, 10, seed=i)) for i in range(40)}


@dataclass
class AsyncEncoder(FakeEncoder):
    """Computes in two threads. `in_work` has the most batches that were started and not waited for.

    Parameters
    ----------
    fails_at : number of the batch whose computation fails; -1: none
    declines : how many batches it leaves to `encode_images` first
    """

    fails_at: int = -1
    declines: int = 0
    in_work: int = 0
    _started: list[Future[Any]] = field(default_factory=list)
    _waiting: int = 0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))

    def start_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> Callable[[], dict[str, npt.NDArray[np.float32]]] | None:
        if len(self.batches) < self.declines:
            return None
        number = len(self._started)
        self._started.append(self._pool.submit(self._compute, number, pixels, outputs))
        self._waiting += 1
        self.in_work = max(self.in_work, self._waiting)

        def result() -> dict[str, npt.NDArray[np.float32]]:
            self._waiting -= 1
            features: dict[str, npt.NDArray[np.float32]] = self._started[number].result()
            return features

        return result

    def _compute(self, number: int, pixels: npt.NDArray[np.uint8], outputs: Sequence[str]) -> Any:
        if number == self.fails_at:
            raise EncoderError("out of memory")
        return self.encode_images(pixels, outputs)


@pytest.mark.parametrize("declines", [0, 1])
def test_features_and_their_order_are_those_of_one_batch_after_the_other(tmp_path: Path, declines: int) -> None:
    images, progress = image_rows_of(FILES, views=(0, 1)), list[Progress]()
    encoder = AsyncEncoder(declines=declines)
    with extraction(FILES, tmp_path, encoder=encoder, n_views=2) as run:
        shards = list(run.run(cut(run, images, len(FILES), 15), len(FILES), progress.append))
    with extraction(FILES, tmp_path, n_views=2) as run:
        expected = list(run.run(cut(run, images, len(FILES), 15), len(FILES), silent))
    assert [shard.number for shard in shards] == [0, 1, 2]
    for output in ("pooled", "pixels"):
        np.testing.assert_array_equal(whole(shards, output), whole(expected, output))
    assert encoder.in_work == 2
    assert progress[-1].done == len(FILES)


def test_an_error_in_another_thread_ends_the_run(tmp_path: Path) -> None:
    images = image_rows_of(FILES)
    encoder = AsyncEncoder(fails_at=2)
    with extraction(FILES, tmp_path, encoder=encoder) as run, pytest.raises(EncoderError, match="out of memory"):
        list(run.run(cut(run, images, len(FILES), 16), len(FILES), silent))
    assert not helpers()


def test_a_run_that_is_left_ends(tmp_path: Path) -> None:
    images = image_rows_of(FILES)
    with extraction(FILES, tmp_path, encoder=AsyncEncoder()) as run:
        running = run.run(cut(run, images, len(FILES), 8), len(FILES), silent)
        next(running)
        running.close()
    assert not helpers()
