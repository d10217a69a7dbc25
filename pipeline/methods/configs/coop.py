"""The options of coop."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.context import ContextConfig

__all__ = ["CONFIG", "CoopConfig"]


class CoopConfig(ContextConfig):
    """CoOp: a learned context of the class names in the place of `a photo of a`."""

    method: ClassVar[str] = "coop"

    class_specific: bool = Field(False, description="every class learns a context of its own")
    class_position: Literal["end", "middle", "front"] = Field(
        "end", description="where the class name stands among the tokens"
    )


CONFIG = CoopConfig
