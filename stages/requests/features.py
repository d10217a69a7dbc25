"""Requests of extract, encode-text, query and store info."""

from __future__ import annotations

from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from stages.requests.fields import (
    CONFIG,
    FolderOrBucket,
    NotNegative,
    OptionalPathLike,
    OptionalTextOrPath,
    OptionalTexts,
    PathLike,
    Positive,
    Request,
    Share,
    StorePlace,
    Texts,
    default,
)

__all__ = ["DescribeStoreRequest", "EncodeTextRequest", "ExtractRequest", "QueryRequest"]


@dataclass(frozen=True, config=CONFIG)
class ExtractRequest(Request):
    """Encode every image of a dataset once, with a frozen encoder, into a feature store.

    Parameters
    ----------
    dataset : name in params.yaml, or name of a layout
    encoder : name in params.yaml, or FAMILY:ARCH...; by default the first of params.yaml
    layout, root : as of `index`; either indexes the dataset again
    backend, outputs, views, dtype, faces, margin, missed : by default as in params.yaml, block `extract`
    batch_size : images a step
    decoders : threads that decode ahead of an encoder; by default its cores
    runtime : of the image tower; `auto` measures
    workers : processes that encode; more than one start a dask cluster on this machine
    scheduler : tcp://HOST:PORT of a dask cluster that is running
    reuse : copy rows that another store under `features` holds
    drop_outputs : drop outputs of the store that are not requested
    limit : only the first `limit` rows, into a store of their own
    max_rejected : share of rejected images above which the call fails (the store stays), in [0, 1]
    tables, face_tables : folders of sample tables and of face tables
    """

    dataset: str
    _: KW_ONLY
    encoder: str | None = None
    layout: str | None = None
    root: OptionalPathLike = default(None)
    backend: Literal["zarr", "hdf5"] | None = None
    outputs: OptionalTexts = default(None)
    views: Annotated[int, Field(ge=1, le=64)] | None = None
    dtype: Literal["float16", "float32"] | None = None
    faces: Literal["given", "aligned"] | None = None
    margin: Annotated[float, Field(ge=-0.25, le=2)] | None = None
    missed: Literal["reject", "centre"] | None = None
    batch_size: Positive = 64
    decoders: Positive | None = None
    runtime: str = "auto"
    workers: Positive = 1
    scheduler: str | None = None
    reuse: bool = True
    drop_outputs: bool = False
    limit: Positive | None = None
    max_rejected: Share = 0.01
    dry_run: bool = False
    tables: PathLike = default(Path("tables"))
    face_tables: PathLike = default(Path("faces"))
    features: FolderOrBucket = default(Path("features"))
    device: str = "auto"
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, config=CONFIG)
class EncodeTextRequest(Request):
    """Encode every prompt template with every class name (all eight) through the frozen text tower.

    Parameters
    ----------
    encoder : name in params.yaml, or FAMILY:ARCH...; by default the first of params.yaml
    prompts : prompt set; by default as in params.yaml
    if_any : an encoder without a text tower gets an empty set instead of an error
    """

    encoder: str | None = None
    _: KW_ONLY
    prompts: str | None = None
    if_any: bool = False
    dry_run: bool = False
    features: FolderOrBucket = default(Path("features"))
    device: str = "auto"
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, config=CONFIG)
class QueryRequest(Request):
    """Rows of a store that meet a condition, or the nearest of them.

    Parameters
    ----------
    store : its path; in Python also an open store, or what `extract` returned
    where : condition on columns: "split == 'test' and label in ('fear', 'anger')"
    columns : of the result
    near : the rows nearest to an id of the store, else to an image file, else to a text
    k, metric : how many nearest rows (by default 10), by `cosine` (the default) or `dot`
    feature, view : output and view of the store to search or to export
    limit : at most so many rows
    output : file that gets the rows with their features: .parquet, .npy or .safetensors
    rejected, dtype, plain_list : of `output`: rows without a feature stay (null, NaN) or are dropped; features as they
        are `stored` or as `float32`; Parquet lists of any length instead of a fixed one
    encoder : the store's, for an image or a text; by default the one that the store names
    """

    store: StorePlace
    _: KW_ONLY
    where: str | None = None
    columns: Texts = default(("id", "label", "split", "status", "reason"))
    near: OptionalTextOrPath = default(None)
    k: Positive | None = None
    metric: Literal["cosine", "dot"] | None = None
    feature: str = "pooled"
    view: NotNegative = 0
    limit: NotNegative | None = None
    output: OptionalPathLike = default(None)
    rejected: Literal["keep", "drop"] = "keep"
    dtype: Literal["stored", "float32"] = "stored"
    plain_list: bool = False
    encoder: str | None = None
    device: str = "auto"
    params: PathLike = default(Path("params.yaml"))

    def __post_init__(self) -> None:
        if self.near is None and (self.k or self.metric):
            raise ValueError("`k` and `metric` state how to search: name what to search for with `near`")
        if self.output is None and (self.rejected, self.dtype, self.plain_list) != ("keep", "stored", False):
            raise ValueError("`rejected`, `dtype` and `plain_list` state how to export: name a file with `output`")


@dataclass(frozen=True, config=CONFIG)
class DescribeStoreRequest:
    """What a store holds, what it was made of, by what, and how it is on disk.

    Parameters
    ----------
    store : its path; in Python also an open store, or what `extract` returned
    """

    store: StorePlace
