"""Shards encoded with one loaded encoder: the same way in this process and on every worker of a cluster."""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy.typing as npt

from cache.keys import sha256_of
from cache.row_copies import ReuseReader
from cache.shard_records import ShardRecord
from pipeline.encoders import ImageEncoder, load_image_encoder
from pipeline.encoders.families.file_family import allow
from pipeline.errors import MismatchError
from pipeline.extraction import Extraction, Shard, empty_blocks
from pipeline.images.prepare import Preparer
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress
from pipeline.timings import Timings
from stages.workflows.shards import EncodingSpec, LazyRoot, RowCopies, ShardTask

__all__ = ["ShardEncoder"]

Block: TypeAlias = npt.NDArray[Any]  # (V, rows, *row_shape)
FinishedShard: TypeAlias = tuple[Mapping[str, Block], Mapping[int, str]]

_FINISHED_BYTES = 2**30


@dataclass
class ShardEncoder:
    """Encodes shards with one loaded encoder; its decoders live until it is closed.

    Parameters
    ----------
    alike : ends the work if its first images are all rejected for one reason; None tries all
    images : the dataset's root, opened by now or later; the caller closes it
    """

    encoding: EncodingSpec
    encoder: ImageEncoder
    alike: AlikeRejects | None = None
    images: LazyRoot | None = None
    _reader: ReuseReader = field(default_factory=ReuseReader)
    _finished: OrderedDict[int, FinishedShard] = field(default_factory=OrderedDict)
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def load(cls, encoding: EncodingSpec) -> Self:
        """For a process that has no encoder yet.

        Raises
        ------
        MismatchError
            If the encoder's name means another one here: a worker may be another machine with other files.
        """
        allow(encoding.spec)  # it comes from the process that the user started
        encoder = load_image_encoder(encoding.spec, encoding.device, encoding.runtime)
        if (sha256 := sha256_of(dict(encoder.identity))) != encoding.encoder_sha256:
            raise MismatchError(
                f"{encoding.spec} is another encoder on {socket.gethostname()}: expected an identity with sha256 "
                f"{encoding.encoder_sha256[:12]}, found {sha256[:12]}. Give all workers the same weights and code"
            )
        return cls(encoding, encoder.with_preprocess(encoding.preprocess))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    @cached_property
    def preparer(self) -> Preparer:
        """Opens the dataset, whose images may be gone where nothing has to be encoded: not before it is needed."""
        images = self.images or self._open.enter_context(LazyRoot(self.encoding.root))
        return self.encoding.preparer(images.root)

    @cached_property
    def _extraction(self) -> Extraction:
        encoding = self.encoding
        extraction = Extraction(
            self.encoder,
            self.preparer,
            encoding.outputs,
            encoding.n_views,
            encoding.batch_size,
            encoding.decoders,
            alike=self.alike,
        )
        return self._open.enter_context(extraction)

    @property
    def timings(self) -> Timings:
        return self._extraction.timings if "_extraction" in vars(self) else Timings()

    def encode(self, tasks: Iterable[ShardTask], total: int, on_progress: OnProgress) -> Iterator[ShardRecord]:
        """Make every shard durable, in order, while the next ones are prepared and encoded.

        Parameters
        ----------
        total : images to encode over all tasks; with 0 no image is opened
        """
        started: dict[int, ShardTask] = {}
        shards = self._shards(tasks, started)
        if total:
            for done in self._extraction.run(shards, total, on_progress):
                yield self._write(started.pop(done.number), done)
        else:
            for shard in shards:
                yield self._write(started.pop(shard.number), shard)

    def _write(self, task: ShardTask, shard: Shard) -> ShardRecord:
        """Write a shard whose images are encoded, with the rows that repeat them."""
        blocks, reasons = shard.blocks, {**task.rejected, **shard.rejected}
        for copy in task.copies:
            source, of_source = (blocks, reasons) if copy.shard == task.number else self._finished_shard(copy.shard)
            _copy_rows(copy, source, self.encoding.sink.schema.rows(copy.shard).start, blocks, task.rows.start)
            pairs = zip(copy.at.tolist(), copy.rows.tolist(), strict=True)
            reasons |= {row: of_source[repeated] for row, repeated in pairs if repeated in of_source}
        return self.encoding.sink.put(task.number, blocks, reasons)

    def _finished_shard(self, number: int) -> FinishedShard:
        """A finished shard of this store. Those read last are remembered, up to 1 GB: many rows may repeat few."""
        if number not in self._finished:
            self._finished[number] = self.encoding.sink.get(number)
            while len(self._finished) > 1 and sum(map(_n_bytes, self._finished.values())) > _FINISHED_BYTES:
                self._finished.popitem(last=False)
        self._finished.move_to_end(number)
        return self._finished[number]

    def _shards(self, tasks: Iterable[ShardTask], started: dict[int, ShardTask]) -> Iterator[Shard]:
        for task in tasks:
            started[task.number] = task
            blocks = empty_blocks(self.encoding.outputs, self.encoding.n_views, len(task.rows))
            self._reader.fill(blocks, task.reused)
            yield Shard(task.number, task.rows, task.images, blocks)


def _copy_rows(
    copy: RowCopies, source: Mapping[str, Block], source_start: int, blocks: Mapping[str, Block], start: int
) -> None:
    """Fill rows of `blocks`, whose first row is `start`, with rows of a shard whose first row is `source_start`."""
    views = slice(copy.views.start, copy.views.stop)
    for name, block in blocks.items():
        block[views, copy.at - start] = source[name][views, copy.rows - source_start]


def _n_bytes(shard: FinishedShard) -> int:
    return sum(block.nbytes for block in shard[0].values())
