"""All threads work at the same time, none more than a little ahead of the others, and none is left at the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars  # noqa: F401  # from here on, waits without a limit do not end with Ctrl-C
import pytest
from extractions import PATIENCE_S, WatchedEncoder, cut, extraction, extraction_of, helpers, wait_until
from fake_encoder import FakeEncoder
from image_files import encoded, image_row, noise, write_folder

from pipeline.datasets.roots import FolderRoot
from pipeline.errors import DatasetError, EncoderError
from pipeline.extraction import Extraction, Shard
from pipeline.images.reading import ImageRow
from pipeline.progress import silent

DATA = encoded(noise(20, 14))
FILES = {"face.png": DATA}
SETTLED_S = 0.3
# A run that is not closed: the generator is still held when the interpreter ends.
ABANDONED = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from extractions import cut, extraction_of
from fake_encoder import FakeEncoder
from image_files import image_row
from pipeline.datasets.roots import open_root
from pipeline.progress import silent

root = open_root(Path(sys.argv[1]))
run = extraction_of(root, FakeEncoder())
data = Path(sys.argv[1], "face.png").read_bytes()
held = run.run(cut(run, [image_row(row, "face.png", data) for row in range(500)], 500, 50), 500, silent)
next(held)
raise SystemExit(7)
"""


class WatchedRoot(FolderRoot):
    """Counts what is read, each in `seconds`; from the `blocked_from`-th file on, a reader waits for `gate`."""

    def __init__(self, path: Path, blocked_from: int = sys.maxsize, seconds: float = 0) -> None:
        super().__init__(path)
        self.reads, self.blocked_from, self.seconds = 0, blocked_from, seconds
        self.gate, self._counting = threading.Event(), threading.Lock()

    def read(self, name: str) -> bytes:
        with self._counting:
            self.reads += 1
            blocked = self.reads > self.blocked_from
        time.sleep(self.seconds)
        assert not blocked or self.gate.wait(PATIENCE_S), "the gate was not opened"
        return super().read(name)


def images(n_rows: int) -> list[ImageRow]:
    return [image_row(row, "face.png", DATA) for row in range(n_rows)]


def endless(run: Extraction, pulled: list[int], with_images: bool) -> Iterator[Shard]:
    """Shards of 50 rows without end; the number of each is added to `pulled`."""
    for shard in cut(run, [], 10**9, 50):
        pulled.append(shard.number)
        mine = tuple(image_row(row, "face.png", DATA) for row in shard.rows) if with_images else ()
        yield Shard(shard.number, shard.rows, mine, shard.blocks)


class TestAtTheSameTime:
    def test_the_next_shard_is_encoded_while_this_one_is_written_but_not_the_one_after(self, tmp_path: Path) -> None:
        encoder = FakeEncoder()
        with extraction(FILES, tmp_path, encoder=encoder, batch_size=10) as run:
            running = run.run(cut(run, images(40), 40, 10), 40, silent)
            next(running)
            wait_until(lambda: len(encoder.batches) == 2)
            time.sleep(SETTLED_S)
            assert len(encoder.batches) == 2
            assert len(list(running)) == 3

    def test_a_batch_is_encoded_before_the_last_picture_of_its_shard_is_read(self, tmp_path: Path) -> None:
        root = WatchedRoot(write_folder(FILES, tmp_path / "images"), blocked_from=150)
        encoder = WatchedEncoder(on_batch=lambda n: root.gate.set())
        with extraction_of(root, encoder) as run:
            list(run.run(cut(run, images(200), 200, 200), 200, silent))
        assert root.reads == 200

    @pytest.mark.parametrize(
        ("shard_size", "expected"),
        [
            # 2 batches of 2 tasks, one in the encoder and one with the feeder, and 2 + 2 * 2 that are waiting
            (2000, 10 * 32),
            # the encoder's shard, the two that follow it, and a first task of the one after them
            (64, 7 * 32),
        ],
    )
    def test_pictures_are_read_while_a_batch_is_encoded_but_not_all_there_are(
        self, shard_size: int, expected: int, tmp_path: Path
    ) -> None:
        root = WatchedRoot(write_folder(FILES, tmp_path / "images"))
        reads: list[int] = []

        def count_reads(n: int) -> None:
            if n == 0:
                wait_until(lambda: root.reads >= expected)
                time.sleep(SETTLED_S)
                reads.append(root.reads)

        with extraction_of(root, WatchedEncoder(on_batch=count_reads), batch_size=64, decoders=2) as run:
            list(run.run(cut(run, images(2000), 2000, shard_size), 2000, silent))
        assert reads == [expected]


class TestTakenInAdvance:
    @pytest.mark.parametrize(("with_images", "most"), [(True, 4), (False, 5)])
    def test_are_a_few_shards_at_most(self, with_images: bool, most: int, tmp_path: Path) -> None:
        pulled: list[int] = []
        with extraction(FILES, tmp_path) as run:
            running = run.run(endless(run, pulled, with_images), 0, silent)
            for number, done in zip(range(20), running, strict=False):
                assert done.number == number
                time.sleep(0.02)
                assert len(pulled) - 1 - number <= most
            running.close()


class TestNoThreadIsLeft:
    """Each error is still referenced at the check, so its deletion is not what ended the threads."""

    def test_when_it_is_finished(self, tmp_path: Path) -> None:
        with extraction(FILES, tmp_path, decoders=3) as run:
            assert len(list(run.run(cut(run, images(100), 100, 30), 100, silent))) == 4
            assert all(name.startswith("decode") for name in helpers())
        assert helpers() == []

    def test_when_the_encoder_fails(self, tmp_path: Path) -> None:
        encoder = FakeEncoder(gain=float("nan"))
        with (
            pytest.raises(EncoderError, match="pooled of row 0 is not finite") as caught,
            extraction(FILES, tmp_path, encoder=encoder) as run,
        ):
            list(run.run(endless(run, [], with_images=True), 0, silent))
        assert helpers() == []
        assert caught.tb

    def test_when_a_picture_is_gone(self, tmp_path: Path) -> None:
        gone, done = [*images(45), image_row(45, "gone.png", b"x")], list[Shard]()
        with (
            pytest.raises(DatasetError, match=r"gone\.png was there when it was indexed") as caught,
            extraction(FILES, tmp_path) as run,
        ):
            done.extend(run.run(cut(run, gone, 60, 20), 46, silent))
        assert helpers() == []
        assert [shard.number for shard in done] == [0, 1]
        assert caught.tb

    def test_when_the_shards_fail(self, tmp_path: Path) -> None:
        def failing(run: Extraction) -> Iterator[Shard]:
            yield from cut(run, images(20), 20, 20)
            raise DatasetError("no more rows")

        with pytest.raises(DatasetError, match="no more rows") as caught, extraction(FILES, tmp_path) as run:
            list(run.run(failing(run), 20, silent))
        assert helpers() == []
        assert caught.tb

    def test_when_the_caller_fails(self, tmp_path: Path) -> None:
        def write(shards: Iterator[Shard]) -> None:
            for _ in shards:
                raise OSError("disk full")

        with pytest.raises(OSError, match="disk full") as caught, extraction(FILES, tmp_path) as run:
            write(run.run(endless(run, [], with_images=True), 0, silent))
        assert helpers() == []
        assert caught.tb

    def test_when_the_caller_leaves_and_it_ends_after_the_batch_in_work(self, tmp_path: Path) -> None:
        encoder = WatchedEncoder(on_batch=lambda n: time.sleep(0.01))
        with extraction(FILES, tmp_path, encoder=encoder, batch_size=5) as run:
            shards = list(cut(run, images(10_005), 10_005, 10_000))
            first = Shard(0, range(5), shards[0].images[:5], {n: b[:, :5] for n, b in shards[0].blocks.items()})
            running = run.run([first, *shards[:1]], 0, silent)
            next(running)
            wait_until(lambda: len(encoder.batches) > 3)
            encoded_before = len(encoder.batches)
            running.close()
            assert all(name.startswith("decode") for name in helpers())
            assert len(encoder.batches) <= encoded_before + 2

    def test_and_no_more_pictures_are_read(self, tmp_path: Path) -> None:
        root = WatchedRoot(write_folder(FILES, tmp_path / "images"), seconds=0.001)
        with extraction_of(root, FakeEncoder(), batch_size=320) as run:
            running = run.run(cut(run, images(2000), 2000, 50), 0, silent)
            next(running)
            running.close()
            reads = root.reads
            time.sleep(SETTLED_S)
            assert root.reads - reads <= 32  # the task in work

    @pytest.mark.parametrize("after", [0, 3])
    def test_when_the_caller_has_seen_enough(self, after: int, tmp_path: Path) -> None:
        with extraction(FILES, tmp_path) as run:
            for done in run.run(endless(run, [], with_images=True), 0, silent):
                if done.number == after:
                    break
            wait_until(lambda: all(name.startswith("decode") for name in helpers()))

    def test_when_a_new_run_begins(self, tmp_path: Path) -> None:
        with extraction(FILES, tmp_path) as run:
            held = run.run(endless(run, [], with_images=True), 0, silent)
            next(held)
            assert len(list(run.run(cut(run, images(20), 20, 10), 20, silent))) == 2
            assert all(name.startswith("decode") for name in helpers())
            assert list(held) == []

    def test_after_ctrl_c_in_the_middle_of_a_shard(self, tmp_path: Path) -> None:
        def interrupt(n: int) -> None:
            if n % 10 == 3:  # Python drops a KeyboardInterrupt that meets a callback of its garbage collector
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.01)

        encoder = WatchedEncoder(on_batch=interrupt)
        with pytest.raises(KeyboardInterrupt), extraction(FILES, tmp_path, encoder=encoder, batch_size=5) as run:
            list(run.run(cut(run, images(10_000), 10_000, 10_000), 0, silent))
        assert helpers() == []
        assert len(encoder.batches) < 50

    def test_where_a_run_is_forgotten_at_the_end_of_the_program(self, tmp_path: Path) -> None:
        folder = write_folder(FILES, tmp_path / "images")
        here = Path(__file__).parent
        command = [sys.executable, "-c", ABANDONED, folder, here, here.parent, here.parents[2]]
        assert subprocess.run(command, timeout=PATIENCE_S, check=False).returncode == 7


def test_one_extraction_runs_many_times_with_the_same_decode_threads(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    with extraction(FILES, tmp_path, encoder=encoder, decoders=2) as run:
        threads = set()
        for shard in cut(run, images(200), 200, 100):
            (done,) = run.run([shard], 100, silent)
            assert np.isfinite(done.blocks["pooled"]).all()
            threads |= {thread.ident for thread in threading.enumerate() if thread.name.startswith("decode")}
    assert len(threads) == 2
