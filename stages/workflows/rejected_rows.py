"""The list of rejected rows beside a sample table: which files of a dataset are missing or cannot be used, and why."""

from __future__ import annotations

import io
from pathlib import Path

from cache.atomic import write_bytes
from cache.csv_cells import write_csv
from cache.places.links import require_inside
from cache.places.refusals import storage_errors
from pipeline.progress import OnProgress, Progress
from pipeline.tables.samples import REJECTED, SampleTable

__all__ = ["rejected_list", "write_rejected_list"]

_COLUMNS = ["id", "path", "reason"]


def rejected_list(table_path: Path) -> Path:
    """The file beside a sample table: `tables/NAME.rejected.csv`."""
    return table_path.with_suffix(".rejected.csv")


def write_rejected_list(table: SampleTable, table_path: Path, on_progress: OnProgress) -> None:
    """Write id, path and reason of every rejected row, and name the file in a note.

    A list of an earlier run is removed if no row is rejected.

    Raises
    ------
    StorageError
        If the disk refuses, or a link leads out of the folder.
    """
    path = rejected_list(table_path)
    rejected = table.frame[table.frame["status"] == REJECTED]
    if not len(rejected):
        require_inside(path)
        with storage_errors(path):
            path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    write_csv(rejected[_COLUMNS], text)
    write_bytes(path, text.getvalue().encode())
    note = f"{len(rejected):,} of {len(table):,} rows are rejected: {path} lists them with their reasons"
    on_progress(Progress("images", 0, len(table), note))
