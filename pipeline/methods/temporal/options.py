"""The options of temporal-attention and temporal-transformer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.learning.options import (
    CROSS_ENTROPY_WEIGHTS,
    SCALE,
    TARGETS,
    AdamConfig,
    Count,
    CrossEntropyWeights,
    Positive,
    Targets,
    Width,
)
from pipeline.learning.spec import MAX_LAYERS, ScaleKind

__all__ = ["TemporalAttentionConfig", "TemporalConfig", "TemporalTransformerConfig"]


class TemporalConfig(AdamConfig):
    """What both share: they learn from the cached features of T frames, and augment nothing."""

    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights", "targets"})

    feature_scale: ScaleKind = Field("standard", description=f"of each frame. {SCALE}")
    dropout: float = Field(0.0, ge=0, lt=1, description="chance of a number to be dropped, where the head drops any")
    batch_size: Count = Field(128, description="clips per step")
    lr: Positive = Field(0.01, description="Adam's learning rate in the first epoch")
    lr_decay: float = Field(0.95, gt=0, le=1, description="factor on the learning rate after every epoch")
    targets: Targets = Field("labels", description=TARGETS)
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)

    @property
    def reads(self) -> tuple[str, ...]:
        return ("frames",)


class TemporalAttentionConfig(TemporalConfig):
    """A weighted mean of the frames: a learnt query decides how much each counts, whatever its place in the clip."""

    method: ClassVar[str] = "temporal-attention"

    queries: Width = Field(1, description="weighted means that are classified side by side, each of a query of its own")

    @property
    def head_options(self) -> dict[str, Any]:
        """Options of the head."""
        return {"queries": self.queries}


class TemporalTransformerConfig(TemporalConfig):
    """A transformer encoder over the frames, which has their order: the temporal model of DFER-CLIP.

    Its sizes are the authors' code's but for `layers`; the optimiser is ours, theirs is in the recipes.
    """

    method: ClassVar[str] = "temporal-transformer"

    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)] = Field(2, description="layers of the encoder")
    heads: Annotated[int, Field(ge=1, le=256)] = Field(8, description="attention heads of a layer")
    head_width: Annotated[int, Field(ge=1, le=256)] = Field(64, description="width of an attention head")
    hidden: Width = Field(1024, description="width of the hidden layer between the two linear layers of a layer")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="sgd: as DFER-CLIP, by the learning rate `lr`")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum")
    schedule: Literal["decay", "steps"] = Field(
        "decay",
        description="when `lr_decay` lowers the learning rate: after every epoch, or after 3/5 and 4/5 of all (steps: "
        "epochs 30 and 40 of 50, as DFER-CLIP)",
    )
    epochs: Count = Field(30, description="passes over the train split")
    batch_size: Count = Field(48, description="clips per step")
    lr: Positive = Field(0.0003, description="learning rate in the first epoch")
    lr_decay: float = Field(0.9, gt=0, le=1, description="factor on the learning rate, see `schedule`")

    @property
    def head_options(self) -> dict[str, Any]:
        """Options of the head."""
        return {name: getattr(self, name) for name in ("layers", "heads", "head_width", "hidden")}
