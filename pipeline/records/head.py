"""What run.json and head.json hold of a head: how to rebuild it, without its weights, and results of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from pipeline.errors import ConfigError
from pipeline.images.preprocess import Preprocess
from pipeline.learning.calibration import TEMPERATURES
from pipeline.learning.metrics import METRICS
from pipeline.learning.spec import MAX_DIMENSION, MAX_LAYERS, ScaleKind
from pipeline.records.fields import (
    Classes,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Record,
    Size,
    Text,
    Texts,
    conforms_to,
)

__all__ = [
    "Calibration",
    "Config",
    "Diagnostics",
    "FeatureIdentity",
    "HeadDescription",
    "OwnHeadDescription",
    "Validation",
]

Temperature = Annotated[float, Field(ge=TEMPERATURES[0], le=TEMPERATURES[1])]


class _Alignment(Record):
    recipe: Text
    version: Count
    margin: Annotated[float, Field(ge=-0.25, le=2)]
    detector: dict[str, Any] = Field(default_factory=dict)


class _Preparation(Record):
    """The fields that `Preprocess` does not have; it checks its own."""

    alignment: _Alignment | None = None


def _is_preprocess(plain: dict[str, Any]) -> dict[str, Any]:
    try:
        Preprocess.from_json(plain)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return plain


class _EncoderIdentity(Record):
    """The fields that every family has; the encoder is compared as a whole when it is loaded."""

    family: Text
    architecture: Text
    weights: Text


class FeatureIdentity(Record):
    """What must be equal for two features to be comparable: the encoder, its preparation of images, its precision.

    Parameters
    ----------
    encoder : identity of the encoder, plain JSON with at least family, architecture and weights
    preprocess : as `Preprocess.from_json` takes it; with `alignment` where faces were aligned
    """

    encoder: Annotated[dict[str, Any], conforms_to(_EncoderIdentity)]
    preprocess: Annotated[dict[str, Any], AfterValidator(_is_preprocess), conforms_to(_Preparation)]
    precision: Text


class _Options(Record):
    """Those of all kinds of heads. Each kind has some of them, and misses one by its name when it is built."""

    model_config = ConfigDict(extra="forbid")

    aligned: bool = False
    backbone: Text = ""
    bias: bool = True
    context: Literal["truncated", "full"] = "truncated"
    dimensions: Size = 1
    head_width: Size = 1
    heads: Size = 1
    hidden: Size = 1
    init_std: NotNegative = 0.0
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)] = 1
    n_descriptors: Size = 1
    projection: Literal["linear", "none"] = "none"
    queries: Size = 1
    reduction: Size = 1
    sigmoid: bool = True
    suffix: Text = ""
    temperature: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    text_width: Size = 1
    tokens: Annotated[int, Field(ge=0, le=MAX_DIMENSION)] = 0
    words: Text = ""


class HeadDescription(Record):
    """How to rebuild a head, without its weights, as `pipeline.methods.packing.pack` describes it."""

    format: int
    kind: Text
    classes: Classes
    inputs: dict[
        Annotated[str, Field(pattern=r"^(pooled|tokens|pixels|frames|block-\d{1,4})$")],
        Annotated[list[Size], Field(min_length=1, max_length=4)],
    ]
    encoder: FeatureIdentity
    dataset: Text
    scale: ScaleKind
    options: Annotated[dict[str, Any], conforms_to(_Options)]
    clip_frames: Positive | None = None

    @model_validator(mode="after")
    def _frames_fit(self) -> Self:
        """Of heads that read frames `inputs` has the number that `clip_frames` states, and a width."""
        frames = self.inputs.get("frames")
        if frames and (len(frames) != 2 or frames[0] != self.clip_frames):
            raise ValueError(f"inputs.frames: expected clip_frames, {self.clip_frames}, and a width, found {frames}")
        return self

    @model_serializer(mode="wrap")
    def _without_clips(self, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Heads of images are described as they always were."""
        data: dict[str, Any] = dumped(self)
        return {name: value for name, value in data.items() if name != "clip_frames" or value is not None}

    @property
    def alignment(self) -> Mapping[str, Any] | None:
        """How faces were aligned, plain JSON; None where pictures were taken as they were."""
        alignment: Mapping[str, Any] | None = self.encoder.preprocess.get("alignment")
        return alignment


class OwnHeadDescription(HeadDescription):
    """Of a head whose class is no part of the package: its options are known by that class."""

    options: dict[Text, Any]


class _HeldBack(Record):
    folds: Positive
    nll_before: NotNegative
    nll_after: NotNegative
    ece_before: Fraction
    ece_after: Fraction


class Calibration(Record):
    """The effect of a temperature on a split: the fields of `pipeline.learning.calibration.Calibration`."""

    temperature: Temperature
    fitted_temperature: Temperature
    kept: bool
    held_back: _HeldBack | None
    ece_before: Fraction | None
    ece_after: Fraction | None
    ece_expected: Fraction | None
    n: Count
    n_left_out: Count
    bins: Positive
    split: Text

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Errors are null exactly where there were no rows; a temperature that is not used is 1."""
        for name in ("ece_before", "ece_after", "ece_expected"):
            value = getattr(self, name)
            if (value is None) != (self.n == 0):
                raise ValueError(f"{name}: expected null exactly if n is 0, found {value} with n {self.n}")
        if not self.kept and self.temperature != 1:
            raise ValueError(f"temperature: expected 1, as the fitted one is not used, found {self.temperature}")
        return self


class Validation(Record):
    """Scores on the validation split, which selected the epoch; those of other metrics are in the history."""

    accuracy: Fraction
    uar: Fraction

    def by_metric(self) -> dict[str, float]:
        """The scores that are here, in the order of `METRICS`."""
        return {name: getattr(self, name) for name in METRICS if name in Validation.model_fields}


class _Config(Record):
    pretrained: Text | None = None


class _Diagnostics(Record):
    no_train_rows: Texts = ()


Config = Annotated[dict[str, Any], conforms_to(_Config)]  # the options of a method, which knows their names
Diagnostics = Annotated[dict[str, Any], conforms_to(_Diagnostics)]  # what a method reports apart from the head
