"""What is needed to encode a shard, as plain data: for this process and for workers of a cluster alike."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from cache.row_copies import CopiedRows
from cache.writing.sink import ShardSink
from pipeline.datasets.roots import Root, open_root
from pipeline.encoders import EncoderSpec
from pipeline.extraction import Output
from pipeline.images.alignment import Alignment
from pipeline.images.prepare import Preparer
from pipeline.images.preprocess import Preprocess
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform

__all__ = ["EncodingSpec", "LazyRoot", "RowCopies", "ShardTask"]

Rows: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True)
class EncodingSpec:
    """All that encoding a shard of one store needs, as plain data: a worker of a cluster gets it and loads the rest.

    Parameters
    ----------
    spec, device, runtime, preprocess : the encoder, and its input
    encoder_sha256 : digest of the encoder's identity
    root : of the dataset
    outputs, n_views, view_seed : what is stored of every image
    alignment : of the images whose face is known
    batch_size, decoders : of a machine; they change no feature
    sink : where shards are written
    """

    spec: EncoderSpec
    encoder_sha256: str
    device: str
    runtime: str
    preprocess: Preprocess
    root: Path
    outputs: tuple[Output, ...]
    n_views: int
    view_seed: int
    alignment: Alignment
    batch_size: int
    decoders: int
    sink: ShardSink

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the squares that are made of an image: the encoder's, and that of the `pixels` output."""
        pixels = [output.row_shape[0] for output in self.outputs if output.name == "pixels"]
        return tuple(dict.fromkeys([self.preprocess.size, *pixels]))

    def preparer(self, root: Root) -> Preparer:
        """What is done to the images of an open root."""
        return Preparer(root, ImageTransform(self.preprocess, self.sizes, self.alignment, seed=self.view_seed))


@dataclass
class LazyRoot:
    """A dataset's root, opened when the first image is read and closed once: opening a large archive takes long."""

    path: Path
    _open: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def root(self) -> Root:
        return self._open.enter_context(open_root(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


@dataclass(frozen=True, eq=False)
class RowCopies:
    """Rows of one shard that repeat rows of the same store.

    Parameters
    ----------
    shard : where the repeated rows are: an earlier shard, or the same one
    rows : the repeated rows, intp, shape (M,)
    at : the rows that repeat them, intp, shape (M,)
    views : which views are copied
    """

    shard: int
    rows: Rows
    at: Rows
    views: range


@dataclass(frozen=True)
class ShardTask:
    """One shard to encode.

    Parameters
    ----------
    number, rows : which rows
    images : those to encode
    reused : rows to copy from other stores
    rejected : rows known to be unusable, and why
    copies : rows that repeat rows of this store, of this shard or of earlier ones, which must be finished before
    """

    number: int
    rows: range
    images: tuple[ImageRow, ...]
    reused: tuple[CopiedRows, ...]
    rejected: Mapping[int, str]
    copies: tuple[RowCopies, ...] = ()

    @property
    def sources(self) -> set[int]:
        """The earlier shards that must be finished before this one is."""
        return {copy.shard for copy in self.copies} - {self.number}
