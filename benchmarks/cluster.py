"""Many shards on a dask cluster whose workers are lost at random: tasks, memory of the scheduler, requests for objects.

The encoder is fake, the rest is real: our queue, the scheduler, the workers' writing of shards and records, the
finished store, which is verified. A lost worker is killed with SIGKILL and started again by its nanny.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from distributed import Client, LocalCluster
from machine import show
from random_store import random_columns

from cache import open_store
from cache.keys import StoreKey
from cache.places import AnyPath, as_path
from cache.schema import ArraySpec, Schema
from cache.shard_records import ShardRecord
from cache.testing.s3_server import S3Server
from cache.upkeep.integrity import verify
from cache.writing.sink import ShardSink
from cache.writing.writer import StoreWriter
from pipeline.progress import silent
from pipeline.tables.labels import EXPRESSIONS
from stages.workflows.cluster import Cluster

WIDTH, ROWS = 64, 4  # of a shard: small, as what is measured is all that is not its bytes


@dataclass(frozen=True)
class FakeEncoding:
    """What a fake worker needs: where shards go, where it leaves a byte for each task, and how long one takes."""

    sink: ShardSink
    log: str
    seconds: float


def encode_shard(encoding: Any, task: Any) -> ShardRecord:
    """Features that depend on the rows alone; one byte is appended to the log for each task that was begun."""
    with open(encoding.log, "ab") as log:
        log.write(b".")
    time.sleep(encoding.seconds)
    features = np.random.default_rng(task.number).standard_normal((1, len(task.rows), WIDTH), np.float32)
    return encoding.sink.put(task.number, {"pooled": features.astype(np.float16)}, {})


def writer_of(target: AnyPath, n_shards: int) -> StoreWriter:
    schema = Schema(n_shards * ROWS, 1, (ArraySpec("pooled", (WIDTH,), "float16"),), ROWS)
    return StoreWriter(target, StoreKey("cluster", {}, {}, ("pooled",), {"count": 1}, "float32", "float16"), schema)


def tasks_of(writer: StoreWriter) -> Iterator[Any]:
    for shard in writer.pending:
        yield FakeTask(shard, writer.schema.rows(shard))


def finish(writer: StoreWriter) -> None:
    columns = random_columns(writer.schema.n_rows, np.random.default_rng(0))
    writer.finish(columns, {"name": "cluster", "classes": list(EXPRESSIONS)}, {"encoder_note": ""})


@dataclass(frozen=True)
class FakeTask:
    """What the queue and a fake worker need of a task; of this script, so that workers import the cache alone."""

    number: int
    rows: range
    images: tuple[()] = ()
    sources: frozenset[int] = frozenset()


def lose_a_worker(local: LocalCluster, rng: random.Random) -> bool:
    """Kill one at random; whether there was one: those that were killed are started again in some seconds."""
    pids = [nanny.process.pid for nanny in local.workers.values() if nanny.process and nanny.process.pid]
    with suppress(ProcessLookupError):
        if pids:
            os.kill(rng.choice(pids), signal.SIGKILL)
            return True
    return False


def quiet() -> None:
    """Losses of workers are what is measured, not news."""
    for name in ("distributed", "distributed.scheduler", "distributed.nanny", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def simulated(folder: Path, n_shards: int, n_workers: int, lose_every: int, seconds: float) -> dict[str, Any]:
    """The whole run on a local cluster."""
    writer = writer_of(folder / "features/encoder/cluster.zarr", n_shards)
    quiet()
    encoding: Any = FakeEncoding(writer.sink, str(folder / "log"), seconds)
    rss, peak_rss, start = psutil.Process().memory_info().rss, 0, time.perf_counter()
    most_tasks, n_done, n_killed, rng = 0, 0, 0, random.Random(0)
    with ExitStack() as stack:
        local = stack.enter_context(
            LocalCluster(n_workers=n_workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
        )
        client = stack.enter_context(Client(local))
        begun = psutil.Process().memory_info().rss
        for record in Cluster(client, encode_shard).encode(encoding, tasks_of(writer), 0, silent):
            writer.add_record(record)
            most_tasks = max(most_tasks, len(local.scheduler.tasks))
            n_done += 1
            if n_done % lose_every == 0:
                n_killed += lose_a_worker(local, rng)
            if n_done % 100 == 0:
                peak_rss = max(peak_rss, psutil.Process().memory_info().rss)
    encoded_s = time.perf_counter() - start
    finish(writer)
    n_begun = (folder / "log").stat().st_size
    return {
        "shards": n_shards,
        "workers": n_workers,
        "workers_killed": n_killed,
        "tasks_begun": n_begun,
        "tasks_repeated": n_begun - n_shards,
        "most_tasks_of_scheduler": most_tasks,
        "scheduler_and_client_mb": {
            "before": round(rss / 2**20),
            "with_cluster": round(begun / 2**20),
            "peak": round(peak_rss / 2**20),
        },
        "seconds": round(encoded_s, 1),
        "problems_of_store": len(verify(open_store(writer.target))),
    }


def requests(n_shards: int) -> dict[str, int]:
    """Requests to an object store for each step of a store of so many shards, counted in front of a real server."""
    counts: dict[str, int] = {}
    with S3Server.started() as server, server.environment():
        target = as_path(f"s3://{server.bucket}/features/encoder/cluster.zarr")

        @contextmanager
        def counted(step: str) -> Iterator[None]:
            server.gate.open()
            yield
            counts[step] = server.gate.n_requests

        with counted("begin"):
            writer = writer_of(target, n_shards)
        with counted("put"):
            for task in tasks_of(writer):
                writer.add_record(encode_shard(FakeEncoding(writer.sink, os.devnull, 0), task))
        with counted("finish"):
            finish(writer)
        with counted("open"):
            store = open_store(target)
        with counted("columns"):
            store.columns(["id", "label", "split", "status"])
        with counted("read"):
            store.read(np.arange(len(store)))
        with counted("neighbors"):
            store.neighbors(np.ones(WIDTH), 3)
    return counts


def a_shard(few: dict[str, int], many: dict[str, int], n_few: int, n_many: int) -> dict[str, dict[str, float]]:
    """Requests of each step: for each shard, and besides."""
    slopes = {name: (many[name] - few[name]) / (n_many - n_few) for name in few}
    return {name: {"a_shard": round(s, 2), "besides": round(few[name] - s * n_few, 1)} for name, s in slopes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--lose-every", type=int, default=250, help="finished shards between two workers that are killed"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="that a fake task takes besides")
    parser.add_argument(
        "--requests", type=int, nargs=2, default=[10, 30], help="shards of two stores in an object store"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = simulated(Path(folder), options.shards, options.workers, options.lose_every, options.seconds)
    few, many = (requests(n) for n in options.requests)
    show(
        {"what": f"shards of {ROWS} x {WIDTH} by a fake encoder on a local dask cluster"}
        | result
        | {"requests": a_shard(few, many, *options.requests)}
    )


if __name__ == "__main__":
    main()
