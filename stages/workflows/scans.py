"""What is beside a sample table: the record of the scan that made it, and a picture of labels that nothing explains."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow.parquet as pq

from cache.atomic import write_bytes
from cache.errors import StorageError
from cache.places.links import require_inside
from cache.places.refusals import storage_errors
from pipeline.datasets.digests import FileDigests
from pipeline.datasets.roots.changes import changed_since
from pipeline.datasets.scan_record import ScanRecord
from pipeline.errors import AmbiguousLabelsError, TableError
from stages.output import say
from stages.params import DatasetParams, Params
from stages.requests import AlignRequest, ExtractRequest, IndexRequest
from stages.workflows.code_sheets import N_IMAGES, write_code_sheet
from stages.workflows.dataset_sources import StatedSource
from stages.workspace import Workspace

__all__ = ["changed_since_scan", "scanning"]

_Request = IndexRequest | AlignRequest | ExtractRequest


@contextmanager
def scanning(request: _Request, source: DatasetParams, params: Params, stated: StatedSource) -> Iterator[FileDigests]:
    """Digests for a scan of a dataset; what the scan learns is recorded beside the table, unless it is a dry run.

    A scan that was interrupted is recorded, too: the next one continues with the files that were not read yet. The
    picture of an earlier scan that was refused is removed as soon as the dataset is read.

    Parameters
    ----------
    source : how the dataset is read
    stated : of it in the request

    Raises
    ------
    AmbiguousLabelsError
        The one that was raised inside; its message names a picture with examples of each number, and where to name
        a code map.
    """
    workspace, root = Workspace(tables=request.tables), Path(source.root)
    record, sheet = workspace.scan_record(request.dataset), workspace.code_sheet(request.dataset)
    for path in (record, sheet):
        require_inside(path, request.tables)
    read_all = isinstance(request, IndexRequest) and request.read_all
    finished = _finished(record)
    digests = FileDigests(_read_record(record, root), read_all)
    try:
        yield digests
        if not request.dry_run:
            _remove(sheet)
        finished = digests.began
    except AmbiguousLabelsError as error:
        shown = "" if request.dry_run else _shown(sheet, root, error)
        raise _with_advice(error, shown, request, params, stated) from error
    finally:
        if not request.dry_run:
            known = digests.record()
            if known is None and finished and not record.exists():  # all files are too young to be recorded
                known = ScanRecord.empty()
            if known is not None:
                _write_record(known, record, root)
            _set_finished(record, finished)


def changed_since_scan(tables: Path, dataset: str, root: Path) -> tuple[str, ...] | None:
    """Names below the root that the last finished scan of it may not have seen as they are now; None if none is known.

    Parameters
    ----------
    tables : folder of sample tables
    root : folder or file, which exists

    Raises
    ------
    DatasetError
        If a folder cannot be listed.
    """
    record = Workspace(tables=tables).scan_record(dataset)
    finished = _finished(record)
    return tuple(changed_since(root, finished)) if finished else None


def _finished(record: Path) -> int:
    """When the last scan began that was finished, in nanoseconds since 1970: the time of its record; 0 if none was."""
    try:
        return record.stat().st_mtime_ns
    except OSError:
        return 0


def _set_finished(record: Path, time_ns: int) -> None:
    with suppress(OSError):  # without a record, or on a disk that keeps no times, `status` does not know of a scan
        os.utime(record, ns=(time_ns, time_ns))


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


def _remove(sheet: Path) -> None:
    """The labels have names now. Raises StorageError if the disk refuses."""
    if sheet.is_file():
        with storage_errors(sheet):
            sheet.unlink(missing_ok=True)


def _shown(path: Path, root: Path, error: AmbiguousLabelsError) -> str:
    try:
        write_code_sheet(path, root, error.examples)
    except StorageError as problem:  # the labels are what has to be solved first
        return f"(Examples of each number could not be written: {problem}) "
    return f"{path} shows {N_IMAGES} images of each number. "


def _with_advice(
    error: AmbiguousLabelsError, shown: str, request: _Request, params: Params, stated: StatedSource
) -> AmbiguousLabelsError:
    message = f"{str(error).rstrip()}\n{shown}"
    if request.dataset in params.datasets:
        message += f"Write the name of the map into params.yaml, as `codes` of datasets.{request.dataset}.options"
        return AmbiguousLabelsError(message, error.presets, error.examples)
    advised = AmbiguousLabelsError(message.rstrip(), error.presets, error.examples)
    given = stated.as_json()
    options = {**given.get("options", {}), "codes": "NAME"}
    advised.remedy = [("index", {"dataset": request.dataset, **given, "options": options, "tables": request.tables})]
    advised.purpose = "with a map in place of NAME"
    if not isinstance(request, IndexRequest):
        advised.purpose += ", and then try again without a layout and a root"
    return advised
