"""Stored rows compared with the same rows encoded again, alone and in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.manifest import Manifest
from cache.writing.writer import StoreWriter
from pipeline.encoders import ImageEncoder
from pipeline.encoders.parity import Parity, parity
from pipeline.errors import ImageError
from pipeline.images.prepare import Preparer
from pipeline.images.reading import ImageRow
from stages.output import say
from stages.workflows.shard_encoder import ShardEncoder

__all__ = ["LOOSEST", "N_ROWS", "Tolerance", "encode_one_by_one", "measure_parity", "sample_images", "tolerance_of"]

N_ROWS = 8
_EXPECTED_COSINE = 0.999

_SLACK = 10  # extract measures a few rows; others may be farther from their reference
_ROUNDING = 1e-5  # of float16 on disk, and of another machine's float32
_RELATIVE_SLACK = 3
_LARGEST = 1e9  # of a recorded figure
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
        is_near = self.relative is None or measured.relative <= self.relative
        return measured.cosine >= self.cosine and is_near

    def text(self, measured: Parity) -> str:
        """What was measured and expected, for people."""
        cosine = f"cosine {measured.cosine:.6f}, expected at least {self.cosine:.6f}"
        if self.relative is None:
            return cosine
        return f"{cosine}; relative difference {measured.relative:.3g}, expected at most {self.relative:.3g}"


# A store whose own figures are worse caused a warning when it was made, and figures may be forged.
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
    """Cosine and relative difference of the store's own record; None for what is missing or no number."""
    recorded = manifest.provenance.get("parity")
    figures = recorded.get(output) if isinstance(recorded, Mapping) else None
    values = [figures.get(name) if isinstance(figures, Mapping) else None for name in ("cosine", "relative")]
    cosine, relative = (float(v) if isinstance(v, int | float) and abs(v) < _LARGEST else None for v in values)
    return cosine, relative


def sample_images(images: Sequence[ImageRow], seed: str, n_rows: int = N_ROWS) -> list[ImageRow]:
    """A random sample that follows from `seed`: the same for the same work, whenever it was interrupted."""
    rng = np.random.default_rng(list(seed.encode()))
    chosen = rng.permutation(len(images))[:n_rows]
    return [images[i] for i in sorted(chosen)]


def encode_one_by_one(
    images: Sequence[ImageRow], preparer: Preparer, encoder: ImageEncoder, outputs: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    """The first view of each image, encoded alone in float32 by the encoder's reference.

    Parameters
    ----------
    outputs : of the encoder, or `pixels`: the squares of the preparer's last size

    Returns
    -------
    output -> float32, or uint8 of `pixels`, shape (len(images), *row_shape)

    Raises
    ------
    ImageError
        If an image cannot be used.
    """
    reference, size, rows = encoder.reference(), preparer.transform.preprocess.size, []
    of_encoder = [name for name in outputs if name != "pixels"]
    for image in images:
        prepared = preparer([image])
        if prepared.rejected:
            raise ImageError(f"{image.path}: {prepared.rejected[image.row]}")
        features: dict[str, npt.NDArray[Any]] = dict(
            reference.encode_images(prepared.squares[size][:1], of_encoder) if of_encoder else {}
        )
        rows.append(features | {"pixels": prepared.squares[preparer.transform.sizes[-1]][:1]})
    return {name: np.concatenate([row[name] for row in rows]) for name in outputs}


def measure_parity(
    images: Sequence[ImageRow], writer: StoreWriter, shard_encoder: ShardEncoder, *, encoded: bool = True
) -> dict[str, Any]:
    """Output -> how far the stored rows of `images` are from the same rows encoded alone in float32; for provenance.

    Parameters
    ----------
    encoded : whether the rows are of this encoder's runtime, which is then selected before it is recorded
    """
    outputs = [array.name for array in writer.schema.arrays if array.name != "pixels"]
    if not images:
        return {}
    if encoded:
        _select_runtime(images[0], shard_encoder)
    references = encode_one_by_one(images, shard_encoder.preparer, shard_encoder.encoder, outputs)
    by_output = {name: parity(_stored(images, writer, name), references[name]) for name in outputs}
    _warn(by_output)
    return {name: vars(measured) for name, measured in by_output.items()}


def _select_runtime(image: ImageRow, shard_encoder: ShardEncoder) -> None:
    """A runtime is selected with the first batch: workers, or a stopped extract, may have encoded all of them."""
    if not shard_encoder.timings.encode:
        encoding = shard_encoder.encoding
        square = shard_encoder.preparer([image]).squares[encoding.preprocess.size][:1]
        shard_encoder.encoder.encode_images(np.repeat(square, encoding.batch_size, axis=0))


def _stored(images: Sequence[ImageRow], writer: StoreWriter, output: str) -> npt.NDArray[Any]:
    shard_rows = writer.schema.shard_rows
    return np.stack([writer.read_shard(image.row // shard_rows, output)[0, image.row % shard_rows] for image in images])


def _warn(by_output: Mapping[str, Parity]) -> None:
    for name, measured in by_output.items():
        if measured.cosine < _EXPECTED_COSINE:
            say(
                f"warning: {name}: rows encoded again, alone in float32, have a cosine of {measured.cosine:.6f} to the "
                f"stored ones, expected at least {_EXPECTED_COSINE}. Try --runtime eager or --dtype float32"
            )
