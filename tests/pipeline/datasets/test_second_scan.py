"""A second scan reads what changed, and its table is that of a first one."""

from __future__ import annotations

import io
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import pack, picture

from pipeline.datasets.digests import FileDigests
from pipeline.datasets.index import index_dataset
from pipeline.datasets.scan_record import MARGIN_NS, ScanRecord
from pipeline.errors import DatasetError, TableError
from pipeline.images.formats import undecodable
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable

LABELS = ("fear", "anger", "neutral")
TREE = {f"train/{label}/{i}.png": picture(i) for label in LABELS for i in range(4)}
TICK_S = 0.03  # longer than the step in which a kernel counts the times of files


def later() -> int:
    """A clock for which all files are old."""
    return time.time_ns() + 10 * MARGIN_NS


def scan(root: Path, previous: ScanRecord | None = None, **settings: bool) -> tuple[SampleTable, FileDigests]:
    digests = FileDigests(previous or ScanRecord.empty(), clock=later, **settings)
    return index_dataset("d", "folder", root, {}, digests=digests), digests


def first(root: Path) -> ScanRecord:
    record = scan(root)[1].record()
    assert record is not None
    time.sleep(TICK_S)
    return record


def second(root: Path, record: ScanRecord) -> int:
    """How many files a second scan reads; its table must be that of a first one."""
    table, digests = scan(root, record)
    pd.testing.assert_frame_equal(table.frame, scan(root)[0].frame)
    assert digests.counts.files == len(table)
    return digests.counts.read


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return pack(TREE, tmp_path, "folder")


def rewritten(path: Path, data: bytes) -> None:
    """In place, with the time that the file had: as `cp -p` does."""
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replaced(path: Path, data: bytes) -> None:
    """By another file of the same time: as `rsync -t` does."""
    times, new = path.stat(), path.with_suffix(".new")
    new.write_bytes(data)
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.replace(path)


def unpacked(path: Path, data: bytes) -> None:
    """Removed and written again with the same time, often with the same inode: as `tar x` does."""
    times = path.stat()
    path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


EDITS = {"written": Path.write_bytes, "rewritten": rewritten, "replaced": replaced, "unpacked": unpacked}


class TestWhatIsRead:
    def test_of_an_unchanged_folder_nothing(self, root: Path) -> None:
        assert second(root, first(root)) == 0

    @pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
    def test_a_file_of_the_same_size_with_other_bytes(self, root: Path, edit: Callable[[Path, bytes], object]) -> None:
        record = first(root)
        path = root / "train/fear/0.png"
        edit(path, bytes(reversed(path.read_bytes())))
        assert second(root, record) == 1

    def test_files_that_are_new_renamed_or_touched(self, root: Path) -> None:
        record = first(root)
        (root / "train/fear/0.png").rename(root / "train/anger/renamed.png")
        (root / "train/fear/new.png").write_bytes(picture(99))
        os.utime(root / "train/fear/1.png")
        (root / "train/fear/2.png").unlink()
        assert second(root, record) == 3

    def test_two_files_that_changed_places(self, root: Path) -> None:
        record = first(root)
        one, other, aside = root / "train/fear/0.png", root / "train/anger/1.png", root / "aside"
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
        assert second(root, record) == 2

    def test_a_file_that_became_a_link_out_of_the_root_is_rejected(self, root: Path) -> None:
        record = first(root)
        path, outside = root / "train/fear/0.png", root.parent / "outside.png"
        path.rename(outside)
        path.symlink_to(outside)
        assert second(root, record) == 1

    def test_links_are_read_every_time(self, root: Path) -> None:
        (root / "train/fear/link.png").symlink_to("0.png")
        assert second(root, first(root)) == 1

    def test_missing_empty_and_undecodable_files_every_time(self, root: Path) -> None:
        heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
        (root / "train/fear/empty.png").write_bytes(b"")
        (root / "train/fear/broken.png").symlink_to("nothing.png")
        (root / "train/fear/photo.heic").write_bytes(heic)
        assert second(root, first(root)) == 2 + bool(undecodable(heic))

    def test_all_if_that_is_requested(self, root: Path) -> None:
        table, digests = scan(root, first(root), read_all=True)
        assert (digests.counts.read, digests.counts.unchanged) == (len(table), 0)

    def test_a_file_without_its_decoder_since(self, root: Path) -> None:
        record = first(root)
        of_heic = ScanRecord(record.paths, record.stamps, record.digests, pa.array(["HEIF"] * len(record)))
        heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
        assert scan(root, of_heic)[1].counts.read == (len(record) if undecodable(heic) else 0)

    @pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
    def test_of_an_archive_all_or_nothing(self, tmp_path: Path, kind: str) -> None:
        root = pack(TREE, tmp_path, kind)
        record = first(root)
        assert second(root, record) == 0
        shutil.copy2(root, tmp_path / "copy")
        (tmp_path / "copy").replace(root)
        assert second(root, record) == len(TREE)


class TestYoungFiles:
    """A file that is written twice within the resolution of its times looks the same after the second time."""

    def test_one_that_was_written_while_it_was_read_is_not_recorded(self, root: Path) -> None:
        digests = FileDigests()
        index_dataset("d", "folder", root, {}, digests=digests)
        assert digests.record() is None

    def test_the_margin_counts_from_the_later_of_both_times(self, root: Path) -> None:
        times = [path.stat().st_ctime_ns for path in root.rglob("*.png")]
        for now, n in ((min(times) + MARGIN_NS, 0), (max(times) + MARGIN_NS + 1, len(TREE))):
            digests = FileDigests(clock=lambda now=now: now)  # type: ignore[misc]  # of its loop
            index_dataset("d", "folder", root, {}, digests=digests)
            assert len(digests.record() or ()) == n

    def test_one_of_the_future_is_read_every_time(self, root: Path) -> None:
        future = time.time_ns() + 10**15
        os.utime(root / "train/fear/0.png", ns=(future, future))
        assert second(root, first(root)) == 1


class TestRecord:
    def test_it_survives_the_disk(self, root: Path, tmp_path: Path) -> None:
        record = first(root)
        pq.write_table(record.to_arrow(root), tmp_path / "d.scan")
        assert second(root, ScanRecord.read(tmp_path / "d.scan", root)) == 0

    def test_an_empty_one_survives_the_disk(self, root: Path, tmp_path: Path) -> None:
        pq.write_table(ScanRecord.empty().to_arrow(root), tmp_path / "d.scan")
        assert len(ScanRecord.read(tmp_path / "d.scan", root)) == 0

    def test_an_inode_of_64_bits_survives_the_disk(self, root: Path, tmp_path: Path) -> None:
        record = first(root)
        record.stamps[0, 3] = -5
        pq.write_table(record.to_arrow(root), tmp_path / "d.scan")
        assert pq.read_table(tmp_path / "d.scan")["inode"][0].as_py() == 2**64 - 5
        assert ScanRecord.read(tmp_path / "d.scan", root).stamps[0, 3] == -5

    def test_one_of_another_root_is_refused_by_name(self, root: Path, tmp_path: Path) -> None:
        pq.write_table(first(root).to_arrow(root), tmp_path / "d.scan")
        with pytest.raises(TableError, match="it is of root "):
            ScanRecord.read(tmp_path / "d.scan", tmp_path)

    @pytest.mark.parametrize("cut", [0, 10, 400, -1])
    def test_a_damaged_one_is_refused(self, root: Path, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "d.scan"
        pq.write_table(first(root).to_arrow(root), path)
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(TableError):
            ScanRecord.read(path, root)

    def test_nothing_new_is_no_new_record(self, root: Path) -> None:
        assert scan(root, first(root))[1].record() is None

    def test_files_that_are_gone_leave_it_and_those_left_out_stay(self, root: Path) -> None:
        record = first(root)
        shutil.rmtree(root / "train/anger")
        (root / "train/fear").rename(root / "unread")
        (root / "unread/0.png").rename(root / "train/neutral/8.png")
        after = scan(root, record)[1].record()
        assert after is not None
        assert sorted(after.paths.to_pylist()) == sorted(
            ["train/neutral/8.png", *(f"train/neutral/{i}.png" for i in range(4))]
        )

    def test_an_interrupted_scan_is_continued(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipeline.datasets.digests._FILES_AT_ONCE", 2)
        digests = FileDigests(clock=later)

        def interrupt(progress: Progress) -> None:
            if progress.what == "images" and progress.done == 6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            index_dataset("d", "folder", root, {}, interrupt, digests=digests)
        record = digests.record()
        assert record is not None
        assert len(record) == 6
        time.sleep(TICK_S)
        assert second(root, record) == len(TREE) - 6

    def test_the_counts_are_a_note(self, root: Path) -> None:
        record = first(root)
        (root / "train/fear/0.png").write_bytes(picture(50))
        heard: list[Progress] = []
        digests = FileDigests(record, clock=later)
        index_dataset("d", "folder", root, {}, heard.append, digests=digests)
        assert "scan: 12 files, 11 unchanged, 1 read" in [progress.note for progress in heard]


def _edit(rng: random.Random, root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if not path.is_dir())
    path, other = rng.choice(files), rng.choice(files)
    fresh = root / rng.choice(["train/fear", "train/anger", "train/neutral"]) / f"{rng.randrange(100)}.png"
    fresh.parent.mkdir(parents=True, exist_ok=True)
    data = picture(rng.randrange(4))
    actions: list[Callable[[], object]] = [
        lambda: fresh.write_bytes(data),
        lambda: path.write_bytes(data),
        lambda: rewritten(path, data) if path.exists() else None,
        lambda: replaced(path, data) if path.exists() else None,
        lambda: unpacked(path, data) if path.exists() else None,
        lambda: path.rename(fresh),
        lambda: path.unlink() if len(files) > 4 else None,
        lambda: path.chmod(0o600) if path.exists() else None,
        lambda: os.utime(path) if path.exists() else None,
        lambda: (path.rename(root / "x"), other.rename(path), (root / "x").rename(other)) if path != other else None,
        lambda: fresh.symlink_to(os.path.relpath(path, fresh.parent)) if not os.path.lexists(fresh) else None,
        lambda: os.link(path, fresh) if not os.path.lexists(fresh) else None,
        lambda: path.write_bytes(b""),
        lambda: path.parent.rename(root / "train" / "surprise") if not (root / "train/surprise").exists() else None,
    ]
    rng.choice(actions)()


def _outcome(root: Path, digests: FileDigests) -> str | bytes:
    """The whole table, or why there is none: no file is left, or none that can be used."""
    buffer = io.BytesIO()
    try:
        pq.write_table(index_dataset("d", "folder", root, {}, digests=digests).to_arrow(), buffer)
    except DatasetError as error:
        return str(error)
    return buffer.getvalue()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), n_edits=st.integers(1, 6), n_scans=st.integers(1, 3))
def test_whatever_happens_between_scans_the_table_is_that_of_a_fresh_one(
    seed: int, n_edits: int, n_scans: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root, rng = pack(TREE, tmp_path_factory.mktemp("scans"), "folder"), random.Random(seed)
    record = first(root)
    for _ in range(n_scans):
        for _ in range(n_edits):
            _edit(rng, root)
        digests = FileDigests(record, clock=later)
        assert _outcome(root, digests) == _outcome(root, FileDigests())
        record = digests.record() or record
        time.sleep(TICK_S)
