"""The options of zero-shot."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.base import MethodConfig, Positive

__all__ = ["CONFIG", "ZeroShotConfig"]


class ZeroShotConfig(MethodConfig):
    """Cosine similarity of the cached feature to the text of each class. Nothing is trained."""

    method: ClassVar[str] = "zero-shot"
    needs_text: ClassVar[bool] = True
    is_random: ClassVar[bool] = False
    is_trained: ClassVar[bool] = False

    prompt: Literal["ensemble", "logit-ensemble", "last"] | Annotated[int, Field(ge=0)] = Field(
        "ensemble",
        description="what stands for a class: ensemble, the mean of its templates' unit vectors, at unit length; "
        "logit-ensemble, the mean of their logits; last, the set's last template; or one template's index",
    )
    temperature: Positive = Field(0.01, description="divides the cosines; it changes probabilities, not the class")


CONFIG = ZeroShotConfig
