"""What `extract` does: decide from the key what has to be encoded, have it encoded, make the store whole."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import Store, open_store
from cache.errors import StoreLockedError
from cache.keys import StoreKey, differences, sha256_of
from cache.places import Place
from cache.places.lock import exclusive, is_held, lock_path
from cache.reuse import Reuse, find_rows, image_keys
from cache.schema import Schema
from cache.store import store_exists
from cache.upkeep.inventory import statuses_below, targets_below
from cache.writing.writer import ShardSink, StoreWriter, building_folder, column_digests, finished_shards
from pipeline.encoders import Encoder, EncoderSpec
from pipeline.extraction import Output, Timings, outputs_of
from pipeline.extraction.outputs import PIXELS, POOLED
from pipeline.faces import Alignment
from pipeline.images.prepare import Job
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress
from pipeline.tables.samples import SampleTable
from stages.output import say
from stages.params import ExtractParams
from stages.workflows.faces import AlignedFaces
from stages.workflows.parity import measured_parity, sampled
from stages.workflows.remaining import Remaining
from stages.workflows.reused_rows import Checked, RowChecker, TrustedReuse, checked_shards, trusted_reuse, usable
from stages.workflows.shards import Images, Made, Recipe, ShardTask, Workbench
from stages.workflows.store_identity import (
    box_texts,
    columns_of,
    dataset_info,
    face_texts,
    jobs_of,
    provenance_of,
    row_fields,
    schema_of,
    store_key,
)

__all__ = ["Encoding", "Machine"]

_POLL_S = 0.5
_WORTH_BUILDING = 4096  # images: a fast tower takes 3 s to build, which it saves on about so many in the worst case


@dataclass(frozen=True)
class Machine:
    """What works on it. Nothing here changes a feature.

    Parameters
    ----------
    runtime : how the image tower runs, of `pipeline.encoders.RUNTIMES`; `auto` stays eager for few images
    batch_size : images a call of the encoder
    decoders : threads that read and decode ahead of one encoder
    workers : processes that encode; 1 is this one alone, more are a local cluster
    scheduler : of a running cluster, or None
    """

    device: str
    runtime: str
    batch_size: int
    decoders: int
    workers: int = 1
    scheduler: str | None = None


@dataclass(frozen=True)
class Encoding:
    """One dataset under one encoder: what is encoded, by what, into which store.

    Parameters
    ----------
    table, root : the images
    encoder_name, spec, encoder : its folder below the features root, how it is written, and the loaded model
    faces : how the table's faces were found and are cut out; None if images are taken as they are
    target : where the store stands; its ending chooses the backend
    features : the features root, in whose stores rows are looked for; None encodes every row
    tries_all : whether to go on where the first images are all rejected for one reason
    drop_outputs : whether outputs that the store at the target has and `params` does not name are left out
    """

    table: SampleTable
    root: Path
    encoder_name: str
    spec: EncoderSpec
    encoder: Encoder
    faces: AlignedFaces | None
    params: ExtractParams
    target: Place
    features: Place | None
    machine: Machine
    tries_all: bool = False
    drop_outputs: bool = False

    @cached_property
    def _outputs(self) -> tuple[Output, ...]:
        """What is asked for, and what the store at the target keeps besides: nothing that was encoded is lost."""
        kept, pixel_size = self._kept_outputs, self.params.pixel_size
        if PIXELS in kept:
            pixel_size = kept[PIXELS][0]
        return outputs_of(self.encoder, [*self.params.outputs, *kept], self.params.dtype, pixel_size)

    @cached_property
    def _kept_outputs(self) -> dict[str, tuple[int, ...]]:
        """Output -> its row shape: what the store at the target has of the same encoder beside what is asked for."""
        if self.drop_outputs or (store := self._finished_store()) is None:
            return {}
        alike = row_fields(self.encoder, self.params, self._alignment)
        if differences(alike, {name: store.manifest.key_fields[name] for name in alike}):
            return {}
        arrays = {array.name: tuple(array.row_shape) for array in store.manifest.schema.arrays}
        kept = {name: shape for name, shape in arrays.items() if name not in (POOLED, *self.params.outputs)}
        if kept:
            say(
                f"note: {self.target} also keeps {', '.join(kept)}, which stays there though it is not asked for. "
                "To drop it: extract with --drop-outputs"
            )
        if (n_views := store.n_views()) > self.params.views:
            say(f"note: {self.target} has {n_views} views of train images; {self.params.views} are asked for and kept")
        return kept

    @property
    def _alignment(self) -> dict[str, Any] | None:
        return self.faces.as_json() if self.faces else None

    @cached_property
    def _jobs(self) -> list[Job]:
        return jobs_of(self.table, self.params.views)

    @cached_property
    def key(self) -> StoreKey:
        return store_key(self.table, self.encoder, self._outputs, self.params, self._alignment)

    @cached_property
    def _schema(self) -> Schema:
        return schema_of(self.table, self.params.views, self._outputs)

    def plan(self) -> dict[str, Any]:
        """What `run` would do, without doing it."""
        if (finished := self._up_to_date()) is not None:
            return self._summary(0, finished.manifest.rejected)
        done = finished_shards(self.target, self.key, self._schema)
        pending = [shard for shard in range(self._schema.n_shards) if shard not in done]
        tasks = self._remaining(self._find()).tasks(pending, self._schema)
        return self._summary(_count(tasks), {}, complete=False)

    def run(self, on_progress: OnProgress) -> dict[str, Any]:
        """Make the store whole, encoding only what no finished shard and no other store holds."""
        start = time.perf_counter()
        if (finished := self._up_to_date()) is None:
            with exclusive(lock_path(self.target)):
                # Asked again: another process may have finished the store before this one held the lock.
                if (finished := self._up_to_date()) is None:
                    with self._alone_with_images():
                        return self._write(start, on_progress)
        say(f"{self.target} is up to date")
        return self._summary(0, finished.manifest.rejected, seconds=time.perf_counter() - start)

    @contextmanager
    def _alone_with_images(self) -> Iterator[None]:
        """Wait while another extract makes the same features under another name: its rows can then be copied.

        Features are the same where the key is. The lock dies with its holder, so that a killed one is not waited for.
        """
        if self.features is None or not isinstance(self.target, Path):
            yield
            return
        path, waiting = lock_path(self.target.with_name(f"{self.key.digest[:16]}.zarr")), False
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(exclusive(path))
                    break
                except StoreLockedError as error:
                    if not waiting:
                        say(f"waiting for another extract of the same images, whose rows are then copied: {error}")
                    waiting = True
                    time.sleep(_POLL_S)
            if others := _others_at_work(self.target):
                say(
                    f"note: another extract is at work in {self.target.parent}: {', '.join(others)}. Images that both "
                    "have are encoded by both; one after the other, they are copied"
                )
            yield

    def _write(self, start: float, on_progress: OnProgress) -> dict[str, Any]:
        self._note_replaced()
        writer = StoreWriter(self.target, self.key, self._schema)
        if writer.done:
            say(f"{self.target}: {len(writer.done)} of {writer.schema.n_shards} shards are finished already")
        with Images(self.root.absolute()) as images:
            trusted = self._trusted(writer, images)
            remaining = self._remaining(trusted.reuse)
            # What is finished, or was copied, shows that images of this dataset can be used.
            watched = bool(remaining.jobs) and not (self.tries_all or writer.done or trusted.reuse.used())
            alike, runtime = AlikeRejects() if watched else None, self._runtime(remaining)
            encoded = 0
            with Workbench(self._recipe(runtime), self.encoder.with_runtime(runtime), alike, images) as bench:
                for made in self._made(bench, remaining.tasks(writer.pending, self._schema), on_progress):
                    writer.note(made.record)
                    encoded += made.encoded
                    if alike and self._is_distributed:
                        self._watch(made, alike)
                provenance = self._provenance(writer, bench, trusted, remaining)
        writer.finish(columns_of(self.table, writer.rejected), self._dataset_info, provenance)
        seconds = time.perf_counter() - start
        if bench.timings.encode:  # else workers of a cluster had it
            say(_where_time_went(bench.timings, seconds))
        return self._summary(encoded, writer.rejected, seconds=seconds)

    def _trusted(self, writer: StoreWriter, images: Images) -> TrustedReuse:
        """What other stores hold, and what a stopped writer left, as far as a sample that is encoded again is right."""
        recipe = self._recipe("eager")  # rows are encoded again by the encoder's reference, whatever the runtime
        checker = RowChecker(
            self._jobs,
            lambda: recipe.preparer(images.root),
            self.encoder,
            [output.name for output in self._outputs],
            np.random.default_rng(secrets.randbits(64)),
        )
        finished = checked_shards(writer, checker) if writer.done else Checked()
        if finished.problem:
            say(
                f"note: the finished shards of {self.target} are made again: rows encoded again differ. "
                f"{finished.problem}"
            )
            writer.make_again()
        elif finished.unread and not finished.n_rows:
            say(
                f"note: the finished shards of {self.target} are used, not checked: no image of a sample can be read "
                f"({finished.unread}). With the images: `{self._verify_command(self.target)}`"
            )
        trusted = trusted_reuse(self._find, checker)
        for path, problem in trusted.refused.items():
            say(
                f"note: no row of {path} is reused: rows encoded again differ. {problem}. They are encoded now. To see "
                f"what is wrong there: `{self._verify_command(path)}`"
            )
        for path, (n_rows, why) in trusted.not_checked.items():
            say(
                f"note: {n_rows:,} rows of {path} are reused, not checked: no image of a sample can be read ({why}). "
                f"With the images: `{self._verify_command(self.target)}`"
            )
        if trusted.false_rejects:
            say(f"note: images that another store could not use are tried again: {trusted.false_rejects}")
        return trusted

    def _verify_command(self, store: Place) -> str:
        return shlex.join(["fer-stage", "store", "verify", str(store), "--deep", "--root", str(self.root)])

    def _note_replaced(self) -> None:
        """What the finished store at the target is replaced for: another encoder may have the same folder's name."""
        store = self._finished_store()
        if store is None or store.key == self.key.digest:
            return
        fields = ", ".join(differences(store.manifest.key_fields, self.key.fields()))
        was, now = str(store.manifest.provenance.get("encoder_spec", "")), str(self.spec)
        other = f" It is of {was}, and will be of {now}." if was not in ("", now) else ""
        say(f"{self.target} is made again, as it differs in {fields}.{other}")

    def _watch(self, made: Made, alike: AlikeRejects) -> None:
        """Of a shard that a worker of a cluster made, which knows of no other."""
        if made.encoded:
            alike.add("", "")
        for row, reason in made.record.rejected.items():
            alike.add(str(self.table.frame["path"][row]), reason)

    def _up_to_date(self) -> Store | None:
        """The finished store at the target, if neither its features nor its columns are other than wanted."""
        existing = self._existing()
        return existing if existing and self._describes(existing) else None

    def _existing(self) -> Store | None:
        """The finished store at the target, if its features are the wanted ones."""
        store = self._finished_store()
        return store if store and store.key == self.key.digest else None

    def _finished_store(self) -> Store | None:
        """The finished store at the target, whatever it is of. Opened at each call: another process may replace it."""
        return open_store(self.target) if store_exists(self.target) else None

    def _describes(self, store: Store) -> bool:
        """Whether labels, splits and all other columns are those of the table; they may change without a feature."""
        columns = columns_of(self.table, store.manifest.rejected)
        return store.manifest.columns == column_digests(columns) and store.manifest.dataset == self._dataset_info

    @cached_property
    def _dataset_info(self) -> dict[str, Any]:
        """What the columns describe, under the store's own name: its first rows alone are not the dataset."""
        return dataset_info(self.table) | {"name": self.target.stem}

    def _find(self, without: Collection[Place] = ()) -> Reuse:
        """Which rows other stores hold, the one that is about to be replaced first."""
        n_views = np.zeros(len(self.table), np.intp)
        for job in self._jobs:
            n_views[job.row] = len(job.views)
        stores = [store for store in self._other_stores if store.path not in without]
        return find_rows(stores, self.key, self._schema, self._images, n_views)

    @cached_property
    def _images(self) -> npt.NDArray[np.object_]:
        return image_keys(self.table.frame["sha256"], box_texts(self.table), face_texts(self.table))

    def _remaining(self, reuse: Reuse) -> Remaining:
        return Remaining.of(self._jobs, reuse, self._images)

    def _runtime(self, remaining: Remaining) -> str:
        """`auto` goes by all that has to be encoded, not by what is left: a resumed store is the same bytes."""
        few = self.machine.runtime == "auto" and len(remaining.jobs) < _WORTH_BUILDING
        return "eager" if few else self.machine.runtime

    @cached_property
    def _other_stores(self) -> list[Store]:
        """Every finished store below the features root, the one at the target first."""
        if self.features is None:
            return []
        standing = statuses_below(self.features.absolute())
        for broken in (found for found in standing if found.why):
            say(f"note: rows of {broken.path} are not reused: {broken.why}")
        stores = [found.store for found in standing if found.store]
        return sorted(stores, key=lambda store: store.path != self.target.absolute())

    def _recipe(self, runtime: str) -> Recipe:
        return Recipe(
            spec=self.spec,
            encoder_sha256=sha256_of(dict(self.encoder.identity)),
            device=self.machine.device,
            runtime=runtime,
            preprocess=self.encoder.preprocess,
            root=self.root.absolute(),
            outputs=self._outputs,
            n_views=self.params.views,
            view_seed=self.params.view_seed,
            alignment=Alignment(self.params.margin),
            batch_size=self.machine.batch_size,
            decoders=self.machine.decoders,
            sink=ShardSink(self.target.absolute(), self._schema),
        )

    @property
    def _is_distributed(self) -> bool:
        return self.machine.workers > 1 or bool(self.machine.scheduler)

    def _made(self, bench: Workbench, tasks: list[ShardTask], on_progress: OnProgress) -> Iterator[Made]:
        n_images = _count(tasks)
        if not n_images or not self._is_distributed:
            yield from bench.make(tasks, n_images, on_progress)
            return
        from stages.workflows.cluster import open_cluster  # takes most of a second, and few ask for it

        with open_cluster(self.machine.workers, self.machine.scheduler) as cluster:
            yield from cluster.make(bench.recipe, tasks, n_images, on_progress)

    def _provenance(
        self, writer: StoreWriter, bench: Workbench, trusted: TrustedReuse, remaining: Remaining
    ) -> dict[str, Any]:
        """What made the features. Where all of them were there before, what made those."""
        existing = self._existing()
        if existing and not remaining.jobs and existing.path not in trusted.refused:
            return dict(existing.manifest.provenance)
        parity = self._parity(writer, bench, trusted, remaining)
        made_by = {"runtime": bench.encoder.runtime, "parity": parity, **trusted.provenance()}
        return {**provenance_of(self.encoder, self.encoder_name, self.spec), **made_by}

    def _parity(
        self, writer: StoreWriter, bench: Workbench, trusted: TrustedReuse, remaining: Remaining
    ) -> dict[str, Any]:
        """Of rows that were encoded now; of copied ones where all are. Their images may be gone by then."""
        plain = [job for job in remaining.jobs if job.row not in writer.rejected and 0 in job.views]
        if plain or not trusted.reuse.used() or trusted.not_checked:
            return measured_parity(sampled(plain, self.key.digest), writer, bench)
        copied = [job for job in self._jobs if trusted.reuse.has(job.row, 0) and job.row not in writer.rejected]
        jobs = usable(sampled(copied, self.key.digest), bench.preparer)
        return measured_parity(jobs, writer, bench, encoded=False)

    def _summary(
        self, encoded: int, rejected: dict[int, str], seconds: float = 0.0, complete: bool = True
    ) -> dict[str, Any]:
        """Every row is encoded now, reused from finished shards or other stores, or rejected."""
        n_usable = len(self.table.usable) - len(rejected)
        return {
            "dataset": self.table.info.dataset,
            "encoder": self.encoder_name,
            "device": self.encoder.device,
            "rows": len(self.table),
            "encoded": encoded,
            "reused": n_usable - encoded,
            "rejected": len(self.table) - n_usable,
            **({"missed": self.faces.missed} if self.faces else {}),
            "seconds": round(seconds, 3),
            "rows_per_s": round(encoded / seconds, 2) if encoded and seconds else 0.0,
            "key": self.key.digest,
            "path": str(self.target),
            "complete": complete,
            "note": self.encoder.note,
        }


def _others_at_work(target: Path) -> list[str]:
    """Names of the unfinished stores beside the target that a living process works on."""
    others = (other for other in targets_below(target.parent) if other != target and building_folder(other).exists())
    return [other.name for other in others if is_held(lock_path(other))]


def _count(tasks: Sequence[ShardTask]) -> int:
    return sum(len(task.jobs) for task in tasks)


def _where_time_went(timings: Timings, seconds: float) -> str:
    parts = {"encoder": timings.encode, "waiting for images": timings.wait}
    parts["store and start"] = max(0.0, seconds - sum(parts.values()))
    shares = ", ".join(f"{name} {part:.1f} s ({part / seconds:.0%})" for name, part in parts.items())
    work = f"read {timings.read:.1f} s, decode {timings.decode:.1f} s, resize {timings.resize:.1f} s"
    return f"time: {shares}; decoders: {work}"
