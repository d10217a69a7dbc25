"""Shards encoded by many processes or machines: a local dask.distributed cluster, or one that is running.

A task is a shard. The tasks of a lost worker are repeated by another; a shard's bytes depend on nothing but the
encoding spec and its rows.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from cache.shard_records import ShardRecord
from pipeline.cores import n_cores
from pipeline.errors import PipelineError
from pipeline.progress import OnProgress, Progress, silent
from stages.output import say
from stages.workflows.shard_encoder import ShardEncoder
from stages.workflows.shards import EncodingSpec, ShardTask

__all__ = ["Cluster", "EncodeShard", "TaskQueue", "open_cluster", "threads_each"]

_QUEUED_PER_WORKER = 2  # shards: a worker never waits for the next one
_WAITING = 1000  # tasks that wait for others, in memory

EncodeShard = Callable[[EncodingSpec, ShardTask], ShardRecord]


class Cluster:
    """Workers that encode shards.

    Parameters
    ----------
    encode_shard : what a worker does for one task, if not `_encode_shard`
    """

    def __init__(self, client: Client, encode_shard: EncodeShard | None = None) -> None:
        self._client, self._encode_shard = client, encode_shard or _encode_shard

    def encode(
        self, encoding: EncodingSpec, tasks: Iterable[ShardTask], total: int, on_progress: OnProgress
    ) -> Iterator[ShardRecord]:
        """Have every shard encoded; they come in the order in which they are finished.

        Only some tasks for each worker are with the scheduler at a time, so its memory does not grow with their number.

        Parameters
        ----------
        tasks : in the order of their shards
        total : images to encode over all tasks

        Raises
        ------
        PipelineError
            If workers die over one shard again and again.
        """
        n_workers = max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        queue, n_images, done = TaskQueue(tasks), dict[int, int](), 0
        finished = as_completed()

        def submit() -> None:
            while len(n_images) < _QUEUED_PER_WORKER * n_workers and (task := queue.next_ready()):
                n_images[task.number] = len(task.images)
                finished.add(self._submit(encoding, task))

        submit()
        for future in finished:
            try:
                record: ShardRecord = future.result()
            except KilledWorker as error:
                raise PipelineError(
                    f"workers died over the same shard several times ({error}): perhaps of too little memory. Try a "
                    "smaller --batch-size or fewer --workers; finished shards are kept"
                ) from error
            queue.finish(record.shard)
            done += n_images.pop(record.shard)
            submit()
            on_progress(Progress("images", done, total))
            yield record

    def _submit(self, encoding: EncodingSpec, task: ShardTask) -> object:
        return self._client.submit(
            self._encode_shard, encoding, task, pure=False, key=f"shard-{task.number}-{id(self)}"
        )


class TaskQueue:
    """Tasks in their order; one that repeats rows of other shards waits until those are finished.

    Each task is looked at a fixed number of times, however many there are.

    Parameters
    ----------
    tasks : in the order of their shards, read as they are needed; a task repeats rows of earlier shards only
    """

    def __init__(self, tasks: Iterable[ShardTask]) -> None:
        self._tasks = iter(tasks)
        self._unfinished: set[int] = set()  # shards of tasks that were read
        self._ready: deque[ShardTask] = deque()
        self._waiting: dict[int, list[ShardTask]] = {}  # shard -> tasks that wait for it
        self._n_sources: dict[int, int] = {}  # shard of a waiting task -> shards that it still waits for

    def next_ready(self) -> ShardTask | None:
        """The next task that can be encoded now; None if there is none, or all others wait for shards in work."""
        while not self._ready and len(self._n_sources) < _WAITING and (task := next(self._tasks, None)):
            sources = task.sources & self._unfinished
            self._unfinished.add(task.number)
            if not sources:
                return task
            self._n_sources[task.number] = len(sources)
            for source in sources:
                self._waiting.setdefault(source, []).append(task)
        return self._ready.popleft() if self._ready else None

    def finish(self, shard: int) -> None:
        """Tasks that waited for this shard, and for no other one, are ready."""
        self._unfinished.discard(shard)
        for task in self._waiting.pop(shard, []):
            self._n_sources[task.number] -= 1
            if not self._n_sources[task.number]:
                del self._n_sources[task.number]
                self._ready.append(task)


@contextmanager
def open_cluster(workers: int, scheduler: str | None) -> Iterator[Cluster]:
    """Join the cluster at `scheduler`, or start one of `workers` processes here for as long as the block runs.

    Parameters
    ----------
    workers : processes of a local cluster; each has its share of the cores
    scheduler : `tcp://HOST:PORT` of a dask scheduler whose workers see the images and the features root

    Raises
    ------
    PipelineError
        If nothing answers at `scheduler`, or this machine cannot start processes that share memory.
    """
    _quiet_logs()
    if scheduler:
        with _joined(scheduler) as client:
            yield Cluster(client)
        return
    _require_shared_memory()
    # Threads exist in a worker before the encoder can ask for one arena, see `keep_freed_memory`.
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # its server runs without a dashboard too: on 8787
            silence_logs=logging.CRITICAL,  # errors are raised here; a worker that ends logs lost heartbeats as one
        ) as local,
        Client(local) as client,
    ):
        client.run(_set_torch_threads, threads_each(workers))
        yield Cluster(client)


def _require_shared_memory() -> None:
    """Processes of a cluster need semaphores, which lie in /dev/shm on Linux: not every container has it."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError) as error:
        raise PipelineError(
            f"--workers: expected shared memory for the processes of a cluster, found none ({error}). Give the "
            "container a /dev/shm that can be written, or leave --workers out: one process gives the same bytes"
        ) from error


def _quiet_logs() -> None:
    """Starts and ends of workers are no news; one that goes while a message to it is under way is no error."""
    if not logging.getLogger().isEnabledFor(logging.DEBUG):  # of --debug
        logging.getLogger("distributed").setLevel(logging.WARNING)
        logging.getLogger("distributed.batched").setLevel(logging.CRITICAL)


@contextmanager
def _joined(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise PipelineError(
            f"no dask scheduler answers at {scheduler} ({error}). Start one with `dask scheduler`, or use --workers N"
        ) from error
    with client:
        say(f"joined {scheduler}: {len(client.scheduler_info(n_workers=-1)['workers'])} workers")
        yield client


def threads_each(workers: int) -> int:
    """Threads of each of `workers` that share the cores: at least 1, no more than OMP_NUM_THREADS states.

    dask sets that variable to 1 in its workers, so it is read here.
    """
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # of the outermost level, as OpenMP reads it
    share = max(1, n_cores() // workers)
    return min(share, int(limit)) if limit.isdecimal() and int(limit) else share


def _set_torch_threads(n: int) -> None:
    import torch

    torch.set_num_threads(n)


@lru_cache(maxsize=1)  # a worker encodes shards of one store at a time
def _shard_encoder(encoding: EncodingSpec) -> ShardEncoder:
    return ShardEncoder.load(encoding)


def _encode_shard(encoding: EncodingSpec, task: ShardTask) -> ShardRecord:
    return next(_shard_encoder(encoding).encode([task], len(task.images), silent))
