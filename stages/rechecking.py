"""Rows encoded once more, alone and in float32: how far the stored features may be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.writer import StoreWriter
from pipeline.encoders import Encoder
from pipeline.errors import ImageError
from pipeline.parity import Parity, parity
from pipeline.preparation import Job, Preparer
from stages.output import say
from stages.shards import Workbench

__all__ = ["N_ROWS", "measured_parity", "re_encoded", "sampled"]

N_ROWS = 8
_EXPECTED_COSINE = 0.999


def sampled(jobs: Sequence[Job], seed: str, n_rows: int = N_ROWS) -> list[Job]:
    """Some of the jobs, drawn from `seed`: the same for the same work, whenever it was interrupted."""
    rng = np.random.default_rng(list(seed.encode()))
    chosen = rng.permutation(len(jobs))[:n_rows]
    return [jobs[i] for i in sorted(chosen)]


def re_encoded(
    jobs: Sequence[Job], preparer: Preparer, encoder: Encoder, outputs: Sequence[str]
) -> dict[str, npt.NDArray[np.float32]]:
    """The plain view of each image, encoded alone in float32 by the encoder's reference.

    Returns
    -------
    output -> float32, shape (len(jobs), *row_shape)
    """
    reference, size = encoder.reference(), preparer.preprocess.size
    alone = []
    for job in jobs:
        prepared = preparer([job])
        if prepared.rejected:
            raise ImageError(f"{job.path}: {prepared.rejected[job.row]}")
        alone.append(reference.encode_images(prepared.squares[size][:1], outputs))
    return {name: np.concatenate([found[name] for found in alone]) for name in outputs}


def measured_parity(jobs: Sequence[Job], writer: StoreWriter, bench: Workbench) -> dict[str, Any]:
    """Output -> how far the stored rows of `jobs` are from the same rows encoded alone in float32; for provenance."""
    outputs = [array.name for array in writer.schema.arrays if array.name != "pixels"]
    if not jobs:
        return {}
    _settle_runtime(jobs[0], bench)
    references = re_encoded(jobs, bench.preparer, bench.encoder, outputs)
    found = {name: parity(_stored(jobs, writer, name), references[name]) for name in outputs}
    _warn(found)
    return {name: vars(measured) for name, measured in found.items()}


def _settle_runtime(job: Job, bench: Workbench) -> None:
    """What runs the image tower is known after a batch: workers, or a stopped extract, may have had all of them."""
    if not bench.timings.encode:
        square = bench.preparer([job]).squares[bench.recipe.preprocess.size][:1]
        bench.encoder.encode_images(np.repeat(square, bench.recipe.batch_size, axis=0))


def _stored(jobs: Sequence[Job], writer: StoreWriter, output: str) -> npt.NDArray[Any]:
    shard_rows = writer.schema.shard_rows
    return np.stack([writer.read_shard(job.row // shard_rows, output)[0, job.row % shard_rows] for job in jobs])


def _warn(found: Mapping[str, Parity]) -> None:
    for name, measured in found.items():
        if measured.cosine < _EXPECTED_COSINE:
            say(
                f"warning: {name}: rows encoded again, alone in float32, have a cosine of {measured.cosine:.6f} to the "
                f"stored ones, expected at least {_EXPECTED_COSINE}. Try --runtime eager or --dtype float32"
            )
