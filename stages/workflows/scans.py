"""What is beside a sample table: the record of the scan that made it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from cache.atomic import write_bytes
from cache.errors import StorageError
from pipeline.datasets.digests import FileDigests
from pipeline.datasets.scan_record import ScanRecord
from pipeline.errors import TableError
from stages.output import say

__all__ = ["recorded_digests"]


@contextmanager
def recorded_digests(path: Path, root: Path, *, read_all: bool = False, dry_run: bool = False) -> Iterator[FileDigests]:
    """Digests for a scan of `root`, from the record at `path`, which is written again when the scan is over.

    A scan that was interrupted is recorded, too: the next one continues with the files that were not read yet.

    Parameters
    ----------
    read_all : whether every file is read again
    dry_run : whether nothing is written
    """
    digests = FileDigests(_read_record(path, root), read_all)
    try:
        yield digests
    finally:
        record = None if dry_run else digests.record()
        if record is not None:
            _write_record(record, path, root)


def _read_record(path: Path, root: Path) -> ScanRecord:
    if not path.exists():
        return ScanRecord.empty()
    try:
        return ScanRecord.read(path, root)
    except TableError as error:
        say(f"note: the record of an earlier scan is not used, and all files are read: {error}")
        return ScanRecord.empty()


def _write_record(record: ScanRecord, path: Path, root: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(record.to_arrow(root), buffer)
    try:
        write_bytes(path, buffer.getvalue())
    except StorageError as error:  # the table needs no record
        say(f"note: the next scan reads all files again: {error}")
