"""The image tower in OpenVINO, on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from pipeline.encoders.runtimes.graphs import Features, Pixels, chunks, traced
from pipeline.encoders.runtimes.imports import import_openvino
from pipeline.encoders.towers import PixelTower

__all__ = ["OpenVINOGraph", "openvino_name"]

_ROWS = 8  # enough for the matrix products of a ViT; with more, the activations of a CNN leave the processor's cache


def openvino_name() -> str:
    """The runtime's name with its version, for the provenance."""
    return f"openvino {version('openvino')}"


class OpenVINOGraph:
    """A compiled model that encodes a batch in chunks of `_ROWS` rows, each chunk on one thread.

    So a row depends neither on the size of its batch nor on how many threads there are: the chunks are spread over as
    many threads as torch uses.
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
        self._compiled = ov.Core().compile_model(model, "CPU", options)
        self._queue = ov.AsyncInferQueue(self._compiled, n_threads)
        self._queue.set_callback(_copy_results)

    def __call__(self, pixels: Pixels) -> list[Features]:
        n_chunks = -(-len(pixels) // _ROWS)
        shapes = [tuple(output.shape)[1:] for output in self._compiled.outputs]
        features = [np.empty((n_chunks * _ROWS, *shape), np.float32) for shape in shapes]
        for i, chunk in enumerate(chunks(torch.as_tensor(pixels), _ROWS)):
            rows = slice(i * _ROWS, (i + 1) * _ROWS)
            self._queue.start_async([chunk.numpy()], [values[rows] for values in features])
        self._queue.wait_all()
        return [values[: len(pixels)] for values in features]


def _copy_results(request: Any, into: list[Features]) -> None:
    """Copy the results of a chunk before the request that holds them takes the next one."""
    for i, rows in enumerate(into):
        rows[...] = request.get_output_tensor(i).data


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
