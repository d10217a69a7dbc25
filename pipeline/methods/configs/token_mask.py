"""The options of token-mask."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from pipeline.methods.configs.base import Width
from pipeline.methods.configs.mask import LightMaskConfig

__all__ = ["CONFIG", "TokenMaskConfig"]


class TokenMaskConfig(LightMaskConfig):
    """A sigmoid mask on the cached feature, made by attention over the cached tokens; CAFE's three losses.

    Between `feature-mask`, whose mask cannot see where in the picture something is, and `cafe`, whose mask network
    reads the pixels. Features are standardised by default, as in `feature-mask`; tokens are layer-normed.
    It could be stacked, but a batch of tokens is far larger than the network: 4 stacked took twice the time of 4 alone.
    """

    method: ClassVar[str] = "token-mask"

    queries: Width = Field(4, description="how many places the mask network attends to")
    hidden: Width = Field(128, description="width of the mask network's hidden layer")

    @property
    def reads(self) -> tuple[str, ...]:
        return ("pooled", "tokens")

    @property
    def head_options(self) -> dict[str, Any]:
        return super().head_options | {"queries": self.queries, "hidden": self.hidden}


CONFIG = TokenMaskConfig
