"""How shards are made: the same way in this process and on every worker of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from cache.manifest import ShardRecord
from cache.reuse import Piece, ReuseReader
from cache.writer import ShardSink
from pipeline.datasets.roots import open_root
from pipeline.encoders import Encoder, EncoderSpec, load_encoder
from pipeline.extraction import Extraction, Output, Shard, Timings, empty_blocks
from pipeline.faces import Alignment
from pipeline.preparation import Job, Preparer
from pipeline.preprocess import Preprocess
from pipeline.progress import OnProgress
from pipeline.rejects import AlikeRejects
from pipeline.views import ViewRecipe

__all__ = ["Made", "Recipe", "ShardTask", "Workbench"]


@dataclass(frozen=True)
class Recipe:
    """All that making a shard of one store needs, as plain data: a worker of a cluster gets it and loads the rest.

    Parameters
    ----------
    spec, device, runtime, preprocess : the encoder, and what it is fed
    root : the images
    outputs, n_views, view_seed : what is kept
    alignment : of the images whose face is known
    batch_size, decoders : of a machine; they change no feature
    sink : where shards go
    """

    spec: EncoderSpec
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


@dataclass(frozen=True)
class ShardTask:
    """One shard to make: images to encode, rows to copy from other stores, rows known to be unusable."""

    number: int
    rows: range
    jobs: tuple[Job, ...]
    pieces: tuple[Piece, ...]
    rejected: Mapping[int, str]


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
    """

    recipe: Recipe
    encoder: Encoder
    alike: AlikeRejects | None = None
    _reader: ReuseReader = field(default_factory=ReuseReader)
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def load(cls, recipe: Recipe) -> Self:
        """For a process that has no encoder yet."""
        encoder = load_encoder(recipe.spec, recipe.device, recipe.runtime)
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
        root = self._open.enter_context(open_root(self.recipe.root))
        recipe = self.recipe
        return Preparer(root, recipe.preprocess, recipe.sizes, ViewRecipe(), recipe.view_seed, recipe.alignment)

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
                record = self.recipe.sink.put(done.number, done.blocks, {**task.rejected, **done.rejected})
                yield Made(record, len(task.jobs) - len(done.rejected))
        else:
            for shard in shards:
                task = known.pop(shard.number)
                yield Made(self.recipe.sink.put(shard.number, shard.blocks, task.rejected), 0)

    def _shards(self, tasks: Iterable[ShardTask], known: dict[int, ShardTask]) -> Iterator[Shard]:
        for task in tasks:
            known[task.number] = task
            blocks = empty_blocks(self.recipe.outputs, self.recipe.n_views, len(task.rows))
            self._reader.fill(blocks, task.pieces)
            yield Shard(task.number, task.rows, task.jobs, blocks)
