"""Images -> features, shard by shard, while workers decode ahead of the encoder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.encoders.base import Encoder
from pipeline.errors import ConfigError, EncoderError
from pipeline.preparation import Job, Prepared, Preparer, prepared_batches
from pipeline.progress import OnProgress, Progress

__all__ = ["OUTPUTS", "Extraction", "Output", "Shard", "ShardFeatures", "Timings", "outputs_of"]

OUTPUTS = ("pooled", "pixels")
_JOBS_PER_TASK = 32


@dataclass(frozen=True)
class Output:
    """What is kept of an image: its name, the shape of a row and the dtype."""

    name: str
    row_shape: tuple[int, ...]
    dtype: str


def outputs_of(encoder: Encoder, names: Sequence[str], dtype: str, pixel_size: int) -> tuple[Output, ...]:
    """The outputs in canonical order.

    Parameters
    ----------
    names : of `OUTPUTS`; `pooled` is always kept
    dtype : of features, `float16` or `float32`
    pixel_size : side of the `pixels` squares

    Raises
    ------
    ConfigError
        If a name or the dtype is unknown.
    """
    if unknown := sorted(set(names) - set(OUTPUTS)):
        raise ConfigError(f"outputs: expected {', '.join(OUTPUTS)}, found {', '.join(unknown)}")
    if dtype not in ("float16", "float32"):
        raise ConfigError(f"dtype: expected float16 or float32, found {dtype!r}")
    known = {
        "pooled": Output("pooled", (encoder.width,), dtype),
        "pixels": Output("pixels", (pixel_size, pixel_size, 3), "uint8"),
    }
    return tuple(known[name] for name in OUTPUTS if name == "pooled" or name in names)


@dataclass(frozen=True)
class Shard:
    """Rows `rows` of a table, and the jobs for those of them that can be used."""

    number: int
    rows: range
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class ShardFeatures:
    """One encoded shard: output name -> (V, rows, *row_shape); row of the table -> why it was rejected."""

    number: int
    blocks: Mapping[str, npt.NDArray[Any]]
    rejected: Mapping[int, str]


@dataclass
class Timings:
    """Seconds: the encoder at work, the encoder waiting for images, and the workers' own time (all of them)."""

    encode: float = 0.0
    wait: float = 0.0
    prepare: float = 0.0


@dataclass
class Extraction:
    """Encodes shards.

    Parameters
    ----------
    encoder, preparer : what is done
    outputs, n_views : what is kept
    batch_size : images a call of the encoder
    workers : decode processes; 0 decodes in this one
    """

    encoder: Encoder
    preparer: Preparer
    outputs: tuple[Output, ...]
    n_views: int
    batch_size: int
    workers: int
    timings: Timings = field(default_factory=Timings)

    def run(self, shards: Sequence[Shard], on_progress: OnProgress) -> Iterator[ShardFeatures]:
        """Features of every shard, in order.

        A batch never crosses shards and short batches are padded, so that a shard's bytes do not depend on what was
        encoded before it: resumed and uninterrupted runs are equal.

        Raises
        ------
        EncoderError
            If a feature is not finite in the dtype that is kept.
        """
        tasks = [
            shard.jobs[i : i + _JOBS_PER_TASK] for shard in shards for i in range(0, len(shard.jobs), _JOBS_PER_TASK)
        ]
        with closing(prepared_batches(self.preparer, tasks, self.workers)) as prepared:  # its workers end with us
            yield from self._encode(shards, self._timed(prepared), on_progress)

    def _encode(
        self, shards: Sequence[Shard], prepared: Iterator[Prepared], on_progress: OnProgress
    ) -> Iterator[ShardFeatures]:
        done, total = 0, sum(len(shard.jobs) for shard in shards)
        for shard in shards:
            blocks, seen = self._empty_blocks(shard), 0
            rejected: dict[int, str] = {}
            pending: list[Prepared] = []
            while seen < len(shard.jobs):
                task = next(prepared)
                pending.append(task)
                rejected |= task.rejected
                seen += min(_JOBS_PER_TASK, len(shard.jobs) - seen)
                pending = self._encode_full_batches(pending, shard, blocks, last=seen == len(shard.jobs))
                on_progress(Progress("images", done + seen, total))
            done += seen
            yield ShardFeatures(shard.number, blocks, rejected)

    def _timed(self, prepared: Iterator[Prepared]) -> Iterator[Prepared]:
        while True:
            start = time.perf_counter()
            task = next(prepared, None)
            self.timings.wait += time.perf_counter() - start
            if task is None:
                return
            self.timings.prepare += task.seconds
            yield task

    def _empty_blocks(self, shard: Shard) -> dict[str, npt.NDArray[Any]]:
        """NaN where no feature will be: it cannot be mistaken for one."""
        return {
            out.name: np.full(
                (self.n_views, len(shard.rows), *out.row_shape), np.nan if out.name != "pixels" else 0, out.dtype
            )
            for out in self.outputs
        }

    def _encode_full_batches(
        self, pending: list[Prepared], shard: Shard, blocks: dict[str, npt.NDArray[Any]], last: bool
    ) -> list[Prepared]:
        """Encode all full batches of `pending`, and the rest too if it is the last; return what is left."""
        merged = _merge(pending)
        n = len(merged.rows)
        end = n if last else n - n % self.batch_size
        for start in range(0, end, self.batch_size):
            self._encode_batch(_part(merged, slice(start, min(start + self.batch_size, end))), shard, blocks)
        return [_part(merged, slice(end, n))]

    def _encode_batch(self, batch: Prepared, shard: Shard, blocks: dict[str, npt.NDArray[Any]]) -> None:
        start = time.perf_counter()
        at = batch.views, batch.rows - shard.rows.start
        for output in self.outputs:
            if output.name == "pixels":
                blocks["pixels"][at] = batch.squares[output.row_shape[0]]
            else:
                blocks[output.name][at] = self._features(batch, output)
        self.timings.encode += time.perf_counter() - start

    def _features(self, batch: Prepared, output: Output) -> npt.NDArray[Any]:
        pixels = batch.squares[self.preparer.preprocess.size]
        padding = np.repeat(pixels[-1:], self.batch_size - len(pixels), axis=0)
        raw = self.encoder.encode_images(np.concatenate([pixels, padding]))[: len(pixels)]
        with np.errstate(over="ignore"):  # an overflow is reported below, with its row
            kept = raw.astype(output.dtype)
        if not (finite := np.isfinite(kept).all(axis=1)).all():
            row = batch.rows[np.flatnonzero(~finite)[0]]
            largest = np.abs(raw[~finite]).max()
            raise EncoderError(
                f"the feature of row {row} is not finite as {output.dtype} (largest value {largest:.3g}). "
                "Use --dtype float32; if it stays, the weights are damaged"
            )
        return kept


def _merge(tasks: Sequence[Prepared]) -> Prepared:
    if len(tasks) == 1:
        return tasks[0]
    return Prepared(
        np.concatenate([task.rows for task in tasks]),
        np.concatenate([task.views for task in tasks]),
        {size: np.concatenate([task.squares[size] for task in tasks]) for size in tasks[0].squares},
        {},
        0.0,
    )


def _part(task: Prepared, rows: slice) -> Prepared:
    return Prepared(
        task.rows[rows], task.views[rows], {size: made[rows] for size, made in task.squares.items()}, {}, 0.0
    )
