"""What `extract` does: decide from the key what has to be encoded, encode it, make the store whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cache import Store, open_store
from cache.keys import StoreKey
from cache.lock import exclusive
from cache.schema import Schema
from cache.writer import StoreWriter, column_digests
from pipeline.datasets.roots import open_root
from pipeline.encoders import Encoder
from pipeline.extraction import Extraction, Output, Timings, outputs_of
from pipeline.preparation import Job, Preparer
from pipeline.progress import OnProgress
from pipeline.samples import SampleTable
from pipeline.views import ViewRecipe
from stages.identity import (
    columns_of,
    dataset_info,
    jobs_of,
    provenance_of,
    schema_of,
    shards_of,
    store_key,
)
from stages.output import say
from stages.params import ExtractParams

__all__ = ["Encoding"]


@dataclass(frozen=True)
class Encoding:
    """One dataset under one encoder: what is encoded, by what, into which store.

    Parameters
    ----------
    table, root : the images
    encoder_name : its folder below the features root
    target : where the store stands; its ending chooses the backend
    batch_size, workers : of this machine; they change no feature
    command : the command line, for whoever finds the store unfinished
    """

    table: SampleTable
    root: Path
    encoder_name: str
    encoder: Encoder
    params: ExtractParams
    target: Path
    batch_size: int
    workers: int
    command: str

    @cached_property
    def _outputs(self) -> tuple[Output, ...]:
        return outputs_of(self.encoder, self.params.outputs, self.params.dtype, self.params.pixel_size)

    @cached_property
    def _jobs(self) -> list[Job]:
        return jobs_of(self.table, self.params.views)

    @cached_property
    def key(self) -> StoreKey:
        return store_key(self.table, self._jobs, self.encoder, self._outputs, self.params)

    @cached_property
    def _schema(self) -> Schema:
        return schema_of(self.table, self.params.views, self._outputs)

    def plan(self) -> dict[str, Any]:
        """What `run` would do, without doing it."""
        existing = self._existing()
        if existing is None:
            return self._summary(len(self._jobs), {}, complete=False)
        return self._summary(0, existing.manifest.rejected)

    def run(self, on_progress: OnProgress) -> dict[str, Any]:
        """Make the store whole, encoding only what no finished shard holds."""
        start = time.perf_counter()
        if (finished := self._up_to_date()) is None:
            with exclusive(self.target.with_name(f".{self.target.name}.lock")):
                # Asked again: another process may have finished the store before this one held the lock.
                if (finished := self._up_to_date()) is None:
                    return self._write(start, on_progress)
        say(f"{self.target} is up to date")
        return self._summary(0, finished.manifest.rejected, seconds=time.perf_counter() - start)

    def _write(self, start: float, on_progress: OnProgress) -> dict[str, Any]:
        writer = StoreWriter(self.target, self.key, self._schema, self.command)
        encoded, timings = self._fill(writer, on_progress)
        writer.finish(
            columns_of(self.table, writer.rejected),
            dataset_info(self.table),
            provenance_of(self.encoder, self.encoder_name),
        )
        seconds = time.perf_counter() - start
        if encoded:
            say(_where_time_went(timings, seconds))
        return self._summary(encoded, writer.rejected, seconds=seconds)

    def _up_to_date(self) -> Store | None:
        """The finished store at the target, if neither its features nor its columns are other than wanted."""
        existing = self._existing()
        return existing if existing and self._describes(existing) else None

    def _existing(self) -> Store | None:
        """The finished store at the target, if its features are the wanted ones."""
        if not self.target.exists():
            return None
        store = open_store(self.target)
        return store if store.key == self.key.digest else None

    def _describes(self, store: Store) -> bool:
        """Whether labels, splits and all other columns are those of the table; they may change without a feature."""
        columns = columns_of(self.table, store.manifest.rejected)
        return store.manifest.columns == column_digests(columns) and store.manifest.dataset == dataset_info(self.table)

    def _fill(self, writer: StoreWriter, on_progress: OnProgress) -> tuple[int, Timings]:
        """Bring all pending shards into the writer; how many images were encoded for that, and the time it took."""
        if existing := self._existing():
            say(f"{self.target}: the same features with other columns: nothing is encoded")
            for shard in writer.pending:
                writer.copy(shard, existing)
        elif writer.done:
            say(f"{self.target}: {len(writer.done)} of {writer.schema.n_shards} shards are finished already")
        shards, encoded = shards_of(self._jobs, writer.schema, writer.pending), 0
        if not shards:
            return 0, Timings()
        with self._extraction() as extraction:
            for planned, done in zip(shards, extraction.run(shards, on_progress), strict=True):
                writer.put(done.number, done.blocks, done.rejected)
                encoded += len(planned.jobs) - len(done.rejected)
        return encoded, extraction.timings

    @contextmanager
    def _extraction(self) -> Iterator[Extraction]:
        pixels = [output.row_shape[0] for output in self._outputs if output.name == "pixels"]
        sizes = tuple(dict.fromkeys([self.encoder.preprocess.size, *pixels]))
        with open_root(self.root) as root:
            preparer = Preparer(root, self.encoder.preprocess, sizes, ViewRecipe(), self.params.view_seed)
            yield Extraction(self.encoder, preparer, self._outputs, self.params.views, self.batch_size, self.workers)

    def _summary(
        self, encoded: int, rejected: dict[int, str], seconds: float = 0.0, complete: bool = True
    ) -> dict[str, Any]:
        """Every row is encoded now, reused from finished shards, or rejected."""
        n_usable = len(self._jobs) - len(rejected)
        return {
            "dataset": self.table.info.dataset,
            "encoder": self.encoder_name,
            "device": self.encoder.device,
            "rows": len(self.table),
            "encoded": encoded,
            "reused": n_usable - encoded,
            "rejected": len(self.table) - n_usable,
            "seconds": round(seconds, 3),
            "rows_per_s": round(encoded / seconds, 2) if encoded and seconds else 0.0,
            "key": self.key.digest,
            "path": str(self.target),
            "complete": complete,
            "note": self.encoder.note,
        }


def _where_time_went(timings: Timings, seconds: float) -> str:
    parts = {"encoder": timings.encode, "waiting for images": timings.wait}
    parts["store and start"] = max(0.0, seconds - sum(parts.values()))
    shares = ", ".join(f"{name} {part:.1f} s ({part / seconds:.0%})" for name, part in parts.items())
    return f"time: {shares}; decode workers were busy for {timings.prepare:.1f} s"
