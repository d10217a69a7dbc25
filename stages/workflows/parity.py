"""Rows encoded once more, alone and in float32: how far the stored features may be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.manifest import Manifest
from cache.writing.writer import StoreWriter
from pipeline.encoders import Encoder
from pipeline.errors import ImageError
from pipeline.extraction.parity import Parity, parity
from pipeline.images.prepare import Job, Preparer
from stages.output import say
from stages.workflows.shards import Workbench

__all__ = ["LOOSEST", "N_ROWS", "Tolerance", "measured_parity", "re_encoded", "sampled", "tolerance_of"]

N_ROWS = 8
_EXPECTED_COSINE = 0.999

_SLACK = 10  # extract measures a few rows; others may be farther from their reference
_ROUNDING = 1e-5  # of float16 on disk, and of another machine's float32
_RELATIVE_SLACK = 3
_LARGEST = 1e9  # of a figure that is one
_RELATIVE_ROUNDING = 2e-3  # the same for relative differences: float16 on disk rounds by 3e-4


@dataclass(frozen=True)
class Tolerance:
    """How far stored rows may be from rows encoded again.

    Parameters
    ----------
    cosine : what the smallest cosine must reach
    relative : what the largest relative difference may be; None: any
    """

    cosine: float
    relative: float | None

    def holds(self, measured: Parity) -> bool:
        """Whether rows are close enough; figures that are NaN are not."""
        near = self.relative is None or measured.relative <= self.relative
        return measured.cosine >= self.cosine and near

    def text(self, measured: Parity) -> str:
        """What was measured and expected, for people."""
        cosine = f"cosine {measured.cosine:.6f}, expected at least {self.cosine:.6f}"
        if self.relative is None:
            return cosine
        return f"{cosine}; relative difference {measured.relative:.3g}, expected at most {self.relative:.3g}"


# The loosest: a store whose own figures are worse was warned about when it was made, and figures may be forged.
LOOSEST = Tolerance(1 - _SLACK * (1 - _EXPECTED_COSINE), 0.15)
_PIXELS = Tolerance(0.999, 0.03)  # versions of a JPEG decoder differ by one or two of 255


def tolerance_of(manifest: Manifest, output: str) -> Tolerance:
    """How far rows of a store may be from new ones, by what `extract` measured when it made the store.

    Never more than `LOOSEST`, whatever the store's own figures are.
    """
    if output == "pixels":
        return _PIXELS
    cosine, relative = _measured(manifest, output)
    expected = _EXPECTED_COSINE if cosine is None else 1 - max(_ROUNDING, _SLACK * (1 - cosine))
    if relative is not None:
        allowed = max(_RELATIVE_ROUNDING, _RELATIVE_SLACK * relative)
    elif manifest.key_fields["precision"] == "float32":
        allowed = _RELATIVE_ROUNDING
    else:
        allowed = math.sqrt(2 * (1 - min(1.0, expected)))
    return Tolerance(max(expected, LOOSEST.cosine), min(allowed, LOOSEST.relative or allowed))


def _measured(manifest: Manifest, output: str) -> tuple[float | None, float | None]:
    """Cosine and relative difference of the store's own record; None for what it does not have, or is no number."""
    recorded = manifest.provenance.get("parity")
    figures = recorded.get(output) if isinstance(recorded, Mapping) else None
    found = [figures.get(name) if isinstance(figures, Mapping) else None for name in ("cosine", "relative")]
    cosine, relative = (float(v) if isinstance(v, int | float) and abs(v) < _LARGEST else None for v in found)
    return cosine, relative


def sampled(jobs: Sequence[Job], seed: str, n_rows: int = N_ROWS) -> list[Job]:
    """Some of the jobs, drawn from `seed`: the same for the same work, whenever it was interrupted."""
    rng = np.random.default_rng(list(seed.encode()))
    chosen = rng.permutation(len(jobs))[:n_rows]
    return [jobs[i] for i in sorted(chosen)]


def re_encoded(
    jobs: Sequence[Job], preparer: Preparer, encoder: Encoder, outputs: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    """The first view of each job, encoded alone in float32 by the encoder's reference.

    Parameters
    ----------
    outputs : of the encoder, or `pixels`: the squares of the preparer's last size

    Returns
    -------
    output -> float32, or uint8 of `pixels`, shape (len(jobs), *row_shape)

    Raises
    ------
    ImageError
        If an image cannot be used.
    """
    reference, size, alone = encoder.reference(), preparer.preprocess.size, []
    of_encoder = [name for name in outputs if name != "pixels"]
    for job in jobs:
        prepared = preparer([job])
        if prepared.rejected:
            raise ImageError(f"{job.path}: {prepared.rejected[job.row]}")
        features: dict[str, npt.NDArray[Any]] = dict(
            reference.encode_images(prepared.squares[size][:1], of_encoder) if of_encoder else {}
        )
        alone.append(features | {"pixels": prepared.squares[preparer.sizes[-1]][:1]})
    return {name: np.concatenate([found[name] for found in alone]) for name in outputs}


def measured_parity(
    jobs: Sequence[Job], writer: StoreWriter, bench: Workbench, *, encoded: bool = True
) -> dict[str, Any]:
    """Output -> how far the stored rows of `jobs` are from the same rows encoded alone in float32; for provenance.

    Parameters
    ----------
    encoded : whether the rows are of this encoder's runtime, which is settled then
    """
    outputs = [array.name for array in writer.schema.arrays if array.name != "pixels"]
    if not jobs:
        return {}
    if encoded:
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
