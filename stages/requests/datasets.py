"""Requests of draw, datasets, code, index and align."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from stages.requests.fields import (
    CONFIG,
    PICTURE_SUFFIXES,
    NotNegative,
    OptionalPathLike,
    OptionalPicture,
    OptionalPng,
    PathLike,
    Positive,
    Request,
    Share,
    default,
)

__all__ = ["AlignRequest", "CodeRequest", "DatasetsRequest", "DrawRequest", "IndexRequest"]

_OF_CLIPS = "sample-video-"  # how names of samples of clips begin


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DatasetsRequest:
    """List every configured dataset and every layout: its root, whether that exists, rows of its table.

    Parameters
    ----------
    about : only this one, a name in params.yaml or of a layout, with all that is known of it
    tables : folder of sample tables
    """

    about: str | None = None
    tables: PathLike = default(Path("tables"))
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class CodeRequest(Request):
    """Write down what DVC compares of each method, encoder and layout that params.yaml names: version, or sha256.

    Parameters
    ----------
    tables : folder of code.json, the file that is written
    """

    tables: PathLike = default(Path("tables"))
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, config=CONFIG)
class DrawRequest(Request):
    """Draw faces or clips with seven expressions in one of five styles; with `group`, one picture of several people.

    Parameters
    ----------
    style : sample-a to sample-e are faces, sample-video-a to sample-video-e clips; of `group` by default sample-d
    group : n people in one picture, >= 1
    out : folder, by default data/STYLE; the file of `group`, by default group.png
    images : how many faces, >= 60; by default as in params.yaml, else 1200
    clips : how many clips, >= 21; by default as in params.yaml, else 210
    seed : of what is drawn; by default as in params.yaml, else 0
    contact_sheet : a .png or .jpg to write, too, with all seven expressions
    """

    style: str | None = None
    _: KW_ONLY
    group: Positive | None = None
    out: OptionalPathLike = default(None)
    images: Annotated[int, Field(ge=60)] | None = None
    clips: Annotated[int, Field(ge=21)] | None = None
    seed: NotNegative | None = None
    contact_sheet: OptionalPicture = default(None)
    dry_run: bool = False
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))

    def __post_init__(self) -> None:
        if self.group is None and self.style is None:
            raise ValueError("`style`: expected sample-a to sample-e, or sample-video-a to sample-video-e, found none")
        if self.group is not None:
            if self.images or self.clips or self.contact_sheet:
                raise ValueError(
                    "`group` draws one picture: `images`, `clips` and `contact_sheet` belong to a whole style"
                )
            if self.out is not None and self.out.suffix.lower() not in PICTURE_SUFFIXES:
                raise ValueError(
                    f"`out`: expected a name that ends with {' or '.join(PICTURE_SUFFIXES)}, found {self.out}"
                )
        is_of_clips = (self.style or "").startswith(_OF_CLIPS)
        if self.images and is_of_clips:
            raise ValueError(f"`images` counts faces, and {self.style} has clips: use `clips`")
        if self.clips and not is_of_clips:
            raise ValueError(f"`clips` counts clips, and {self.style} has faces: use `images`, or {_OF_CLIPS}a")


@dataclass(frozen=True, config=CONFIG)
class IndexRequest(Request):
    """Scan a dataset into its sample table: one row per image, labels by name, splits, digests.

    Parameters
    ----------
    dataset : name in params.yaml, or name of a layout
    layout : how the dataset is laid out on disk; by default as in params.yaml, else the layout of its name
    root : folder, .tar, .tar.gz, .zip or one shard; by default as in params.yaml, else data/DATASET
    options : of the layout
    read_all : also files whose size, times and inode are those of the last scan
    tables : folder of sample tables
    """

    dataset: str
    _: KW_ONLY
    layout: str | None = None
    root: OptionalPathLike = default(None)
    options: Mapping[str, Any] = field(default_factory=dict)
    read_all: bool = False
    dry_run: bool = False
    tables: PathLike = default(Path("tables"))
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, config=CONFIG)
class AlignRequest(Request):
    """Find the face of every image of a dataset, and write its box and five landmarks.

    Parameters
    ----------
    dataset : name in params.yaml, or name of a layout
    threads : that read, decode and detect; by default one per core
    limit : only the first `limit` rows, into a face table of their own
    contact_sheet : a .png to write, too, with some images and their faces
    if_any : an empty face table, unless params.yaml has `extract.faces: aligned`
    max_rejected : share of rejected images above which the call fails (the face table stays), in [0, 1]
    tables, face_tables : folders of sample tables and of face tables
    """

    dataset: str
    _: KW_ONLY
    threads: Positive | None = None
    limit: Positive | None = None
    contact_sheet: OptionalPng = default(None)
    if_any: bool = False
    max_rejected: Share = 0.99
    dry_run: bool = False
    tables: PathLike = default(Path("tables"))
    face_tables: PathLike = default(Path("faces"))
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))
