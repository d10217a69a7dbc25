"""What is stored of every image, and the arrays that hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.encoders.protocols import ImageEncoder
from pipeline.errors import ConfigError, EncoderError

__all__ = ["PIXELS", "POOLED", "Output", "empty_blocks", "outputs_of", "to_stored"]

POOLED, PIXELS = "pooled", "pixels"


@dataclass(frozen=True)
class Output:
    """What is stored of an image: its name, the shape of a row and the dtype."""

    name: str
    row_shape: tuple[int, ...]
    dtype: str


def outputs_of(encoder: ImageEncoder, names: Sequence[str], dtype: str, pixel_size: int) -> tuple[Output, ...]:
    """The outputs in canonical order: pooled, tokens, block-0 .. block-<L-1>, pixels.

    Parameters
    ----------
    names : `pixels`, or what the encoder offers in `row_shapes`; `pooled` is always stored
    dtype : of features, `float16` or `float32`
    pixel_size : side of the `pixels` squares

    Raises
    ------
    ConfigError
        If the encoder has no such output, or the dtype is unknown.
    """
    if dtype not in ("float16", "float32"):
        raise ConfigError(f"dtype: expected float16 or float32, found {dtype!r}")
    features = [Output(name, tuple(shape), dtype) for name, shape in encoder.row_shapes.items()]
    offered = [*features, Output(PIXELS, (pixel_size, pixel_size, 3), "uint8")]
    if unknown := [name for name in names if name not in {output.name for output in offered}]:
        raise ConfigError(
            f"outputs: this encoder offers {', '.join(output.name for output in offered)}, found {', '.join(unknown)}"
        )
    return tuple(output for output in offered if output.name == POOLED or output.name in names)


def empty_blocks(outputs: Sequence[Output], n_views: int, n_rows: int) -> dict[str, npt.NDArray[Any]]:
    """Output name -> (V, rows, *row_shape), NaN where no feature is yet, since it cannot be mistaken for one; pixels 0.

    Parameters
    ----------
    n_views, n_rows : V and rows
    """
    return {
        output.name: np.full((n_views, n_rows, *output.row_shape), 0 if output.name == PIXELS else np.nan, output.dtype)
        for output in outputs
    }


def to_stored(features: npt.NDArray[np.float32], output: Output, rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Features in the dtype that is stored.

    Parameters
    ----------
    features : float32, shape (M, *row_shape)
    rows : intp, shape (M,), of the table

    Raises
    ------
    EncoderError
        If one of them is not finite in that dtype.
    """
    with np.errstate(over="ignore"):  # an overflow is reported below, with its row
        values = features.astype(output.dtype)
    finite = np.isfinite(values).reshape(len(rows), -1).all(axis=1)
    if not finite.all():
        raise EncoderError(
            f"{output.name} of row {rows[~finite][0]} is not finite as {output.dtype} (largest value "
            f"{np.abs(features[~finite]).max():.3g}). Use --dtype float32; if it stays, the weights are damaged"
        )
    return values
