"""The options of feature-mask."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from pipeline.methods.configs.base import Width
from pipeline.methods.configs.mask import LightMaskConfig

__all__ = ["CONFIG", "FeatureMaskConfig"]


class FeatureMaskConfig(LightMaskConfig):
    """A sigmoid mask on the cached feature, made from the feature itself and trained with CAFE's three losses.

    Not CAFE as published: its mask network reads the pixels (`cafe`).
    """

    method: ClassVar[str] = "feature-mask"
    stackable: ClassVar[bool] = True
    factors: ClassVar[tuple[str, ...]] = ("lambda_sep", "beta_div")

    hidden: Width = Field(256, description="width of the mask network's hidden layer")

    @property
    def head_options(self) -> dict[str, Any]:
        return super().head_options | {"hidden": self.hidden}


CONFIG = FeatureMaskConfig
