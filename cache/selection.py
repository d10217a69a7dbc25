"""What `Store.select` returns: rows that can be exported or memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cache.export_formats import AS_STORED, ExportForm
from cache.exports import export_rows
from cache.mmap_copies import mmap_copy
from cache.rows import Rows

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection(Rows):
    """Some rows of a store, to be read as `Rows`, exported, or memory-mapped."""

    def export(
        self,
        path: str | Path,
        format: str | None = None,
        added: Mapping[str, npt.NDArray[Any]] | None = None,
        form: ExportForm = AS_STORED,
    ) -> tuple[Path, ...]:
        """Write columns and features for other programs; the files written. See `cache.exports.export_rows`."""
        return export_rows(self, path, format, added, form)

    def memmap(self, folder: Path | None = None) -> npt.NDArray[Any]:
        """The features memory-mapped and read-only, shape (len(self), *row_shape). See `cache.mmap_copies`."""
        return mmap_copy(self, folder)
