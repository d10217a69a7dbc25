"""The fingerprints of audited pictures: those that are known from earlier audits, and the others from their files."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from cache.atomic import write_bytes
from pipeline.audit.fingerprint import Fingerprint
from pipeline.audit.pictures import FingerprintTable, read_fingerprints
from pipeline.audit.rows import AuditedRows
from pipeline.cores import n_cores
from pipeline.datasets.roots import Root, open_root
from pipeline.errors import TableError
from pipeline.images.reading import ImageRow
from pipeline.progress import OnProgress, Progress
from pipeline.tables.samples import SampleTable
from stages.output import say
from stages.requests import AlignRequest, AuditRequest
from stages.workflows.store_identity import box_of
from stages.workflows.tables import index_named
from stages.workspace import Workspace

__all__ = ["PictureReader", "image_row"]

_SAVE_EVERY_S = 30.0


class PictureReader:
    """Reads the pictures of some tables.

    Parameters
    ----------
    tables : dataset -> its sample table

    Attributes
    ----------
    n_decoded : pictures that were read and decoded, also those that are damaged
    """

    def __init__(self, request: AuditRequest, tables: Mapping[str, SampleTable], on_progress: OnProgress) -> None:
        self._request, self._tables, self._on_progress = request, tables, on_progress
        self._workspace = Workspace(tables=request.tables)
        self._threads = request.threads or n_cores()
        self.n_decoded = 0

    def fingerprints(self, rows: AuditedRows) -> pd.DataFrame:
        """The fingerprint of each of `rows.items`, in order. What is computed is kept beside the tables.

        Raises
        ------
        ChangedImageError
            If a file is gone or changed since it was indexed.
        """
        known = {name: _read_known(self._workspace.fingerprints(name)) for name in self._tables}
        every = FingerprintTable.empty().joined(*known.values())
        unknown = every.of_items(rows.items)["pixels"].isna().to_numpy(dtype=bool)
        for name in self._tables:
            items = rows.items[unknown & (rows.items["dataset"] == name).to_numpy(dtype=bool)]
            if len(items):
                every = every.joined(self._compute(name, items, known[name]))
        return every.of_items(rows.items)

    def _compute(self, name: str, items: pd.DataFrame, known: FingerprintTable) -> FingerprintTable:
        columns = (items[column].tolist() for column in ("row", "path", "sha256", "box"))
        images = [image_row(*values) for values in zip(*columns, strict=True)]
        keys = list(zip(items["sha256"], items["box"], strict=True))
        results: list[Fingerprint | str] = []
        last_save = time.monotonic()
        try:
            with self.opened(name) as root:
                for _, result in read_fingerprints(images, root, self._threads):
                    results.append(result)
                    self._on_progress(Progress(f"pictures of {name}", len(results), len(images)))
                    if time.monotonic() - last_save > _SAVE_EVERY_S:
                        self._save(name, known.joined(FingerprintTable.of(keys[: len(results)], results)))
                        last_save = time.monotonic()
        finally:  # also after Ctrl-C: the next audit resumes here
            self.n_decoded += len(results)
            computed = FingerprintTable.of(keys[: len(results)], results)
            self._save(name, known.joined(computed))
        return computed

    def _save(self, name: str, table: FingerprintTable) -> None:
        if self._request.dry_run:
            return
        current = table.of_files(self._tables[name].frame["sha256"])
        buffer = io.BytesIO()
        pq.write_table(current.to_arrow(), buffer)
        write_bytes(self._workspace.fingerprints(name), buffer.getvalue())

    @contextmanager
    def opened(self, name: str) -> Iterator[Root]:
        """The root of a dataset's pictures; errors about changed images get the call of `index` as their remedy."""
        request = AlignRequest(name, tables=self._request.tables, params=self._request.params)
        with index_named(request), open_root(Path(self._tables[name].info.root).absolute()) as root:
            yield root


def image_row(row: int, path: str, sha256: str, box: str) -> ImageRow:
    """The image of a row of `AuditedRows.frame`."""
    return ImageRow(row, path, sha256, box_of(box))


def _read_known(path: Path) -> FingerprintTable:
    """The fingerprints of earlier audits; a file that cannot be used is replaced."""
    if not path.exists():
        return FingerprintTable.empty()
    try:
        return FingerprintTable.read(path)
    except TableError as error:
        say(f"note: {path} cannot be used, its pictures are decoded again: {error}")
        return FingerprintTable.empty()
