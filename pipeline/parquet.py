"""Parquet files that say what they are: tables with a schema version and an `info` in their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import TableError

__all__ = ["TableKind"]


@dataclass(frozen=True)
class TableKind:
    """One kind of table on disk.

    Parameters
    ----------
    name : for people, e.g. `sample table`
    key : under which it is described in the schema's metadata
    schema : version that this program writes and reads
    command : of fer-stage, which makes it
    again : what to do where it is of another version
    mend : what to do where the file is damaged
    """

    name: str
    key: bytes
    schema: int
    command: str
    again: str
    mend: str

    def read(self, path: Path) -> tuple[pa.Table, dict[str, Any]]:
        """The table at `path`, and its `info`.

        Raises
        ------
        TableError
            If the file is missing, is no table of this kind, or has a newer schema than this program knows.
        """
        with self._reading(path):
            table = pq.read_table(path)
        return table, self._info(path, table.schema.metadata)

    def read_info(self, path: Path) -> tuple[dict[str, Any], int]:
        """The `info` of the table at `path` and its number of rows, without reading any; raises as `read` does."""
        with self._reading(path):
            footer = pq.read_metadata(path)
        return self._info(path, footer.metadata), footer.num_rows

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        if not path.is_file():
            raise TableError(f"no {self.name} at {path}. Run: fer-stage {self.command} --dataset {path.stem}")
        try:
            yield
        except (pa.ArrowInvalid, OSError) as error:
            # Without a number it is of Arrow: a compression that cannot be undone.
            if isinstance(error, OSError) and error.errno is not None:
                raise TableError(f"{path} cannot be read: {error.strerror}. Repair that, then try again") from error
            raise TableError(f"{path} is not a Parquet file: {error}. {self.mend}") from error

    def _info(self, path: Path, described: Mapping[bytes, bytes] | None) -> dict[str, Any]:
        metadata = json.loads((described or {}).get(self.key, b"{}"))
        if metadata.get("schema") != self.schema:
            raise TableError(
                f"{path}: expected a {self.name} of schema {self.schema}, found {metadata.get('schema', 'none')}. "
                f"{self.again}, or update fer-stage"
            )
        info: dict[str, Any] = metadata["info"]
        return info

    def described(self, table: pa.Table, info: Mapping[str, Any]) -> pa.Table:
        """`table` with `info` in its metadata, as `read` takes it back."""
        said = json.dumps({"schema": self.schema, "info": dict(info)}, sort_keys=True)
        return table.replace_schema_metadata({self.key: said})
