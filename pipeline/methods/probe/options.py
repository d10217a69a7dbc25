"""The options of linear-probe."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.learning.options import CROSS_ENTROPY_WEIGHTS, SCALE, Count, CrossEntropyWeights, MethodConfig
from pipeline.learning.spec import ScaleKind

__all__ = ["LinearProbeConfig"]


class LinearProbeConfig(MethodConfig):
    """Logistic regression; the inverse penalty C is chosen on the validation split."""

    method: ClassVar[str] = "linear-probe"
    is_random: ClassVar[bool] = False
    draws_frames: ClassVar[bool] = False
    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights"})

    feature_scale: ScaleKind = Field("raw", description=SCALE)
    min_log10_c: int = Field(-6, ge=-12, le=12, description="the search begins at C = 10 ** this")
    max_log10_c: int = Field(6, ge=-12, le=12, description="the search ends at C = 10 ** this")
    patience: Count = Field(
        2, description="the search ends before, after this many C's in a row that score below the best"
    )
    refinements: int = Field(3, ge=0, le=8, description="times that the step around the best C is halved")
    max_iterations: Count = Field(1000, description="L-BFGS iterations per C")
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)
