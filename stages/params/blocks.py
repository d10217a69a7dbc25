"""The blocks of params.yaml: a dataset, the drawn sample, extract, the protocol, the matrix of runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.datasets.drawn import GENERATOR_VERSION, STYLES
from pipeline.datasets.layouts import LAYOUTS, is_layout
from pipeline.datasets.reading.base import parse_options
from pipeline.errors import ConfigError
from pipeline.suggestions import did_you_mean
from stages.seeds import MOST_FOLDS, Seed

__all__ = ["Block", "DatasetParams", "ExtractParams", "ProtocolParams", "RunParams", "SampleParams", "as_value_error"]


class Block(BaseModel):
    """Base: no key is unknown, no value is converted, nothing changes."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class DatasetParams(Block):
    """One dataset: how it is laid out, where it is, and its layout's own options."""

    layout: str
    root: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_layout(self) -> DatasetParams:
        if not is_layout(self.layout):
            raise ValueError(f"unknown layout {self.layout!r}. {did_you_mean(self.layout, LAYOUTS)}")
        if self.layout in LAYOUTS:  # those of one's own are checked when their code is run
            as_value_error("options", partial(parse_options, LAYOUTS[self.layout]), self.options)
        return self


class SampleParams(Block):
    """The drawn faces and clips. `version` is that of the faces: a change of it changes results, so it is stated."""

    version: int = GENERATOR_VERSION
    images: int = Field(1200, ge=60, le=1_000_000)
    clips: int = Field(210, ge=21, le=1_000_000, description="of sample-video-a to sample-video-e, each")
    seed: Seed = 0

    @model_validator(mode="after")
    def _check_version(self) -> SampleParams:
        if self.version != GENERATOR_VERSION:
            raise ValueError(f"this program draws version {GENERATOR_VERSION} of the sample")
        return self


class ExtractParams(Block):
    """What a store holds of every image. All of it enters the key of a store, but for `format`."""

    outputs: list[Annotated[str, Field(pattern=r"^(pooled|tokens|block-\d+|pixels)$")]] = ["pooled"]
    views: int = Field(1, ge=1, le=64, description="view 0 is plain; more are augmentations of the train split")
    view_seed: Seed = 0
    dtype: Literal["float16", "float32"] = "float16"
    pixel_size: int = Field(64, ge=8, le=1024, description="side of the pixels output")
    resize: Literal["encoder", "shortest", "squash"] = "encoder"
    normalise: Literal["encoder", "imagenet"] = Field(
        "encoder", description="imagenet: CAFE's public code feeds CLIP images normalised so"
    )
    faces: Literal["given", "aligned"] = Field("given", description="aligned: as detected by `align`")
    margin: float = Field(0.0, ge=-0.25, le=2, description="around an aligned face, share of the template's side")
    missed: Literal["reject", "centre"] = Field("reject", description="what becomes of an image without a face")
    format: Literal["zarr", "h5"] = Field("zarr", description="of the store: the suffix of its name")


class ProtocolParams(Block):
    """Train on one, test on all."""

    test_split: Literal["test", "val"] = "test"
    drop_other_labels: bool = Field(
        False, description="leave rows out whose label a head does not know; they are counted in every score"
    )


class RunParams(Block):
    """The matrix that `dvc repro` works through: all of `datasets` are encoded.

    A dataset has the role train, test, or both: heads are trained on `train` and tested on `test`.
    """

    samples: list[str] = list(STYLES)
    datasets: list[str] = list(STYLES)
    train: list[str] = Field(list(STYLES), description="those of datasets that heads are trained on; by default all")
    test: list[str] | None = Field(None, description="those of datasets that heads are tested on; by default all")
    encoders: list[str] = ["mini"]
    methods: list[str] = ["baseline", "linear-probe", "feature-mask", "cafe", "kefer", "metd", "zero-shot"]
    seeds: list[Seed] = [0]
    folds: dict[str, Annotated[int, Field(ge=2, le=MOST_FOLDS)]] = Field(
        default_factory=dict, description="of train: how many folds, each a run; of none: train and test split"
    )

    @property
    def tested(self) -> list[str]:
        """The datasets that heads are tested on."""
        return self.datasets if self.test is None else self.test

    @model_validator(mode="before")
    @classmethod
    def _train_on_all(cls, data: Any) -> Any:
        if isinstance(data, dict) and "datasets" in data:
            return {"train": data["datasets"], **data}
        return data


def as_value_error(where: str, parse: Callable[[Any], Any], value: Any) -> None:
    """Have `parse` check a value; its ConfigError becomes the ValueError that pydantic collects."""
    try:
        parse(value)
    except ConfigError as error:
        raise ValueError(f"{where}: {error}") from error
