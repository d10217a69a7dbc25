"""What the writer and the reader ask of a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from cache.errors import MEND, StoreDamagedError
from cache.schema import Schema

__all__ = ["Backend", "Columns", "damage_reported"]

Columns = Mapping[str, npt.NDArray[Any]]

# What zarr and h5py were seen to raise over spoiled bytes: each spoils another of their assumptions.
_LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def damage_reported(what: str) -> Iterator[None]:
    """Turn whatever a library says of bytes that it cannot read into a StoreDamagedError about `what`."""
    try:
        yield
    except _LIBRARY_ERRORS as error:
        raise StoreDamagedError(f"{what} cannot be read ({error}). {MEND}") from error


class Backend(Protocol):
    """A way to keep arrays. It decides nothing: when to write, what is done and what is whole are the writer's.

    Building happens in a private folder; `assemble` makes there the finished store, which the writer then renames
    into place. Reading opens the store anew for every call, so that readers may be forked, pickled and threaded.
    """

    @property
    def suffix(self) -> str:
        """Ending of a store's name, with the dot."""

    def create(self, folder: Path, schema: Schema) -> None:
        """Prepare the empty folder for blocks."""

    def holds_blocks(self, folder: Path) -> bool:
        """Whether the blocks of a stopped writer are in the folder: not any more once its store was moved away."""

    def write_block(self, folder: Path, schema: Schema, name: str, shard: int, block: npt.NDArray[Any]) -> None:
        """Keep one block, shape (V, rows, *row_shape). It is durable when the call returns."""

    def assemble(self, folder: Path, schema: Schema, columns: Columns, manifest: str) -> Path:
        """Join blocks, columns and manifest to a whole store inside `folder`; durable when the call returns."""

    def read_manifest(self, path: Path) -> str:
        """The manifest's text; SchemaError if there is none."""

    def read_column(self, path: Path, name: str) -> npt.NDArray[Any]:
        """One value per row: strings (object dtype) or numbers."""

    def read_rows(self, path: Path, name: str, view: int, rows: range) -> npt.NDArray[Any]:
        """Consecutive rows of one view, shape (len(rows), *row_shape), without any check."""
