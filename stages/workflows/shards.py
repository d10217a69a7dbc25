"""How shards are made: the same way in this process and on every worker of a cluster."""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy.typing as npt

from cache.keys import sha256_of
from cache.manifest import ShardRecord
from cache.reuse import CopiedRows, ReuseReader
from cache.writing.writer import ShardSink
from pipeline.datasets.roots import Root, open_root
from pipeline.encoders import Encoder, EncoderSpec, load_encoder
from pipeline.errors import MismatchError
from pipeline.extraction import Extraction, Output, Shard, Timings, empty_blocks
from pipeline.faces import Alignment
from pipeline.images.prepare import Job, Preparer
from pipeline.images.preprocess import Preprocess
from pipeline.images.rejects import AlikeRejects
from pipeline.images.views import ViewRecipe
from pipeline.progress import OnProgress
from stages.workflows.repeats import Copy

__all__ = ["Images", "Made", "Recipe", "ShardTask", "Workbench"]

Block: TypeAlias = npt.NDArray[Any]  # (V, rows, *row_shape)
FinishedShard: TypeAlias = tuple[Mapping[str, Block], Mapping[int, str]]

_FINISHED_BYTES = 2**30


@dataclass(frozen=True)
class Recipe:
    """All that making a shard of one store needs, as plain data: a worker of a cluster gets it and loads the rest.

    Parameters
    ----------
    spec, device, runtime, preprocess : the encoder, and what it is fed
    encoder_sha256 : digest of the encoder's identity
    root : the images
    outputs, n_views, view_seed : what is kept
    alignment : of the images whose face is known
    batch_size, decoders : of a machine; they change no feature
    sink : where shards go
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
        return Preparer(root, self.preprocess, self.sizes, ViewRecipe(), self.view_seed, self.alignment)


@dataclass
class Images:
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


@dataclass(frozen=True)
class ShardTask:
    """One shard to make.

    Parameters
    ----------
    number, rows : which rows
    jobs : images to encode
    pieces : rows to copy from other stores
    rejected : rows known to be unusable, and why
    copies : rows that repeat rows of this store, of this shard or of earlier ones, which must be finished before
    """

    number: int
    rows: range
    jobs: tuple[Job, ...]
    pieces: tuple[CopiedRows, ...]
    rejected: Mapping[int, str]
    copies: tuple[Copy, ...] = ()

    @property
    def sources(self) -> set[int]:
        """The earlier shards that must be finished before this one is."""
        return {copy.shard for copy in self.copies} - {self.number}


@dataclass(frozen=True)
class Made:
    """A shard that is durable, and how many of its images were encoded for it."""

    record: ShardRecord
    encoded: int


@dataclass
class Workbench:
    """Makes shards with one loaded encoder; its decoders live until it is closed.

    Parameters
    ----------
    alike : ends the work if its first images are all rejected for one reason; None tries all
    images : the root of the recipe if it is open, or may be, already; whoever made it closes it
    """

    recipe: Recipe
    encoder: Encoder
    alike: AlikeRejects | None = None
    images: Images | None = None
    _reader: ReuseReader = field(default_factory=ReuseReader)
    _finished: OrderedDict[int, FinishedShard] = field(default_factory=OrderedDict)
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def load(cls, recipe: Recipe) -> Self:
        """For a process that has no encoder yet.

        Raises
        ------
        MismatchError
            If the encoder's name means another one here: a worker may be another machine with other files.
        """
        encoder = load_encoder(recipe.spec, recipe.device, recipe.runtime)
        if (found := sha256_of(dict(encoder.identity))) != recipe.encoder_sha256:
            raise MismatchError(
                f"{recipe.spec} is another encoder on {socket.gethostname()}: expected an identity with sha256 "
                f"{recipe.encoder_sha256[:12]}, found {found[:12]}. Give all workers the same weights"
            )
        return cls(recipe, encoder.with_preprocess(recipe.preprocess))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    @cached_property
    def preparer(self) -> Preparer:
        """Opens the dataset: not asked for where nothing has to be encoded, so that images may be gone by then."""
        images = self.images or self._open.enter_context(Images(self.recipe.root))
        return self.recipe.preparer(images.root)

    @cached_property
    def _extraction(self) -> Extraction:
        recipe = self.recipe
        extraction = Extraction(
            self.encoder,
            self.preparer,
            recipe.outputs,
            recipe.n_views,
            recipe.batch_size,
            recipe.decoders,
            alike=self.alike,
        )
        return self._open.enter_context(extraction)

    @property
    def timings(self) -> Timings:
        return self._extraction.timings if "_extraction" in vars(self) else Timings()

    def make(self, tasks: Iterable[ShardTask], total: int, on_progress: OnProgress) -> Iterator[Made]:
        """Make every shard durable, in order, while the next ones are prepared and encoded.

        Parameters
        ----------
        total : images to encode over all tasks; with 0 no image is opened
        """
        known: dict[int, ShardTask] = {}
        shards = self._shards(tasks, known)
        if total:
            for done in self._extraction.run(shards, total, on_progress):
                task = known.pop(done.number)
                yield Made(self._put(task, done.blocks, done.rejected), len(task.jobs) - len(done.rejected))
        else:
            for shard in shards:
                yield Made(self._put(known.pop(shard.number), shard.blocks, {}), 0)

    def _put(self, task: ShardTask, blocks: Mapping[str, Block], rejected: Mapping[int, str]) -> ShardRecord:
        """Keep a shard whose images are encoded, with the rows that repeat them."""
        whole = {**task.rejected, **rejected}
        for copy in task.copies:
            source, reasons = (blocks, whole) if copy.shard == task.number else self._shard(copy.shard)
            _repeat(copy, source, self.recipe.sink.schema.rows(copy.shard).start, blocks, task.rows.start)
            pairs = zip(copy.at.tolist(), copy.rows.tolist(), strict=True)
            whole |= {row: reasons[repeated] for row, repeated in pairs if repeated in reasons}
        return self.recipe.sink.put(task.number, blocks, whole)

    def _shard(self, number: int) -> FinishedShard:
        """A finished shard of this store. Those read last are remembered, up to 1 GB: many rows may repeat few."""
        if number not in self._finished:
            self._finished[number] = self.recipe.sink.get(number)
            while len(self._finished) > 1 and sum(map(_n_bytes, self._finished.values())) > _FINISHED_BYTES:
                self._finished.popitem(last=False)
        self._finished.move_to_end(number)
        return self._finished[number]

    def _shards(self, tasks: Iterable[ShardTask], known: dict[int, ShardTask]) -> Iterator[Shard]:
        for task in tasks:
            known[task.number] = task
            blocks = empty_blocks(self.recipe.outputs, self.recipe.n_views, len(task.rows))
            self._reader.fill(blocks, task.pieces)
            yield Shard(task.number, task.rows, task.jobs, blocks)


def _repeat(
    copy: Copy, source: Mapping[str, Block], source_start: int, blocks: Mapping[str, Block], start: int
) -> None:
    """Fill rows of `blocks`, whose first row is `start`, with rows of a shard whose first row is `source_start`."""
    views = slice(copy.views.start, copy.views.stop)
    for name, block in blocks.items():
        block[views, copy.at - start] = source[name][views, copy.rows - source_start]


def _n_bytes(shard: FinishedShard) -> int:
    return sum(block.nbytes for block in shard[0].values())
