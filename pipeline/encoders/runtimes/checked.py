"""A fast runtime that is used only while it gives what eager PyTorch gives."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence

from pipeline.encoders.parity import parity
from pipeline.encoders.runtimes.eager import Eager
from pipeline.encoders.runtimes.graphs import AsyncGraph, Features, Graph, Pixels

__all__ = ["LARGEST_DIFFERENCE", "SMALLEST_COSINE", "Build", "Checked"]

logger = logging.getLogger(__name__)

Build = Callable[[tuple[str, ...], int], Graph]

# Measured against eager: float32 runtimes differ by less than 1e-5 of the largest value, with 1 - cosine below 1e-11;
# OpenVINO in bfloat16 by more than 1e-2, with 1 - cosine above 5e-5 (EfficientNet-Lite0, ViT-B-32).
SMALLEST_COSINE = 0.99999
LARGEST_DIFFERENCE = 2**-9  # of the largest value: what one rounding to bfloat16 may do
_CHECKED_ROWS = 16


class Checked:
    """Encodes with a fast graph. The first batch of every choice of outputs is also encoded eagerly, its first rows.

    Parameters
    ----------
    name : of the fast runtime
    build : outputs, rows of the first batch -> the graph; may raise anything
    eager : what it is measured against, and what is used instead if it fails
    """

    def __init__(self, name: str, build: Build, eager: Eager) -> None:
        self._name, self._build, self._eager = name, build, eager
        self._graphs: dict[tuple[str, ...], Graph] = {}
        self._given_up = False

    @property
    def name(self) -> str:
        return self._eager.name if self._given_up else self._name

    def __call__(self, pixels: Pixels, outputs: Sequence[str]) -> dict[str, Features]:
        """uint8 (B, S, S, 3) -> output: float32 (B, *row_shape)."""
        names = tuple(outputs)
        if not self._given_up:
            if names in self._graphs:
                return dict(zip(names, self._graphs[names](pixels), strict=True))
            if features := self._first_batch(pixels, names):
                return features
        return self._eager(pixels, names)

    def start(self, pixels: Pixels, outputs: Sequence[str]) -> Callable[[], dict[str, Features]] | None:
        """Begin `__call__`, whose result the returned call waits for; None if there is no graph yet that can do so."""
        names = tuple(outputs)
        if self._given_up:
            return self._eager.start(pixels, names)
        graph = self._graphs.get(names)
        if not isinstance(graph, AsyncGraph):
            return None
        result = graph.start(pixels)
        return lambda: dict(zip(names, result(), strict=True))

    def _first_batch(self, pixels: Pixels, names: tuple[str, ...]) -> dict[str, Features]:
        """What the new graph gives, or nothing if it is given up.

        The eager features are not returned: a store's bytes must not depend on which batch came first.
        """
        try:
            with warnings.catch_warnings(action="ignore"):
                graph = self._build(names, len(pixels))
                features = dict(zip(names, graph(pixels), strict=True))
        except Exception as error:  # exporters and compilers raise errors of any kind at what they do not know
            self._give_up(f"it cannot run this model ({type(error).__name__}: {' '.join(str(error).split())[:300]})")
            return {}
        if reason := _deviation(features, self._eager(pixels[:_CHECKED_ROWS], names)):
            self._give_up(reason)
            return {}
        self._graphs[names] = graph
        return features

    def _give_up(self, reason: str) -> None:
        self._given_up = True
        self._graphs.clear()
        logger.warning("runtime %s: %s. Eager PyTorch is used instead", self._name, reason)


def _deviation(actual: Mapping[str, Features], expected: Mapping[str, Features]) -> str:
    """How the first rows differ from what was expected; empty if they do not."""
    for name, reference in expected.items():
        measured = parity(actual[name][: len(reference)], reference)
        largest = float(abs(reference).max())
        # not `<`: a NaN is no agreement
        if not (measured.cosine >= SMALLEST_COSINE and measured.difference <= LARGEST_DIFFERENCE * largest):
            return (
                f"{name} has a cosine of {measured.cosine} to eager PyTorch's and differs by up to "
                f"{measured.difference} where the largest value is {largest:.3g}; expected at least {SMALLEST_COSINE} "
                f"and at most {LARGEST_DIFFERENCE:.2g} of the largest value"
            )
    return ""
