"""The image tower in OpenVINO, on the CPU."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from pipeline.encoders.runtimes.graphs import Features, Pixels, chunks, traced
from pipeline.encoders.runtimes.imports import import_openvino
from pipeline.encoders.towers import PixelTower
from pipeline.errors import EncoderError

__all__ = ["OpenVINOGraph", "openvino_name"]

_ROWS = 8  # enough for the matrix products of a ViT; with more, the activations of a CNN leave the processor's cache
_REQUESTS_PER_THREAD = 4  # one computes, the others wait with their pixels


def openvino_name() -> str:
    """The runtime's name with its version, for the provenance."""
    return f"openvino {version('openvino')}"


class OpenVINOGraph:
    """A compiled model that encodes a batch in chunks of `_ROWS` rows, each chunk on one thread.

    So a row depends neither on the size of its batch nor on how many threads there are: the chunks are spread over as
    many threads as torch uses. A batch may be started while the chunks of the last one are computed: no thread is idle
    until the slowest chunk of a batch is done.
    """

    def __init__(self, tower: PixelTower, outputs: tuple[str, ...]) -> None:
        ov = import_openvino()
        n_threads = torch.get_num_threads()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",  # else processors with AMX would compute in bfloat16
            "NUM_STREAMS": str(n_threads),
            "INFERENCE_NUM_THREADS": n_threads,
            "ENABLE_CPU_PINNING": False,  # other processes may be at work on the same cores
        }
        program = traced(tower, outputs, _ROWS)
        with _root_logger_preserved():
            model = ov.convert_model(program)
        compiled = ov.Core().compile_model(model, "CPU", options)
        self._shapes = [tuple(output.shape)[1:] for output in compiled.outputs]
        self._idle = [compiled.create_infer_request() for _ in range(_REQUESTS_PER_THREAD * n_threads)]
        self._running: deque[_Chunk] = deque()

    def __call__(self, pixels: Pixels) -> list[Features]:
        return self.start(pixels)()

    def start(self, pixels: Pixels) -> Callable[[], list[Features]]:
        """Begin to encode a batch; see `Graph.start`. Waits for earlier chunks where all requests are in use."""
        n_chunks = -(-len(pixels) // _ROWS)
        features = [np.empty((n_chunks * _ROWS, *shape), np.float32) for shape in self._shapes]
        batch = []
        for i, chunk in enumerate(chunks(torch.as_tensor(pixels), _ROWS)):
            if not self._idle:
                self._finish_oldest()
            into = [values[i * _ROWS : (i + 1) * _ROWS] for values in features]
            batch.append(_Chunk(self._idle.pop(), into))
            self._running.append(batch[-1])
            batch[-1].request.start_async([chunk.numpy()])

        def result() -> list[Features]:
            while self._running and not batch[-1].is_done:
                self._finish_oldest()
            if not all(chunk.is_done for chunk in batch):
                raise EncoderError("OpenVINO could not compute a batch; its error was raised before. Extract again")
            return [values[: len(pixels)] for values in features]

        return result

    def _finish_oldest(self) -> None:
        """Wait for the chunk that was started first, whose request is then free for another one."""
        chunk = self._running.popleft()
        self._idle.append(chunk.request)
        chunk.finish()


@dataclass(eq=False)
class _Chunk:
    """Rows that a request computes.

    Parameters
    ----------
    into : for each output where its rows belong
    """

    request: Any
    into: list[Features]
    is_done: bool = False

    def finish(self) -> None:
        """Copy the results before the request takes other rows; raises what the computation raised."""
        self.request.wait()
        for i, rows in enumerate(self.into):
            rows[...] = self.request.get_output_tensor(i).data
        self.is_done = True


@contextmanager
def _root_logger_preserved() -> Iterator[None]:
    """A conversion that fails leaves the root logger with its warnings turned off."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers
