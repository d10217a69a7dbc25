"""What the writer and the reader need of a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from cache.backends.expected import Layout
from cache.columns import Column, Columns
from cache.errors import RESTORE, StoreDamagedError
from cache.places import AnyPath
from cache.places.refusals import refusal
from cache.schema import Schema

__all__ = ["COLUMNS", "MANIFEST", "Backend", "Target", "damage_reported", "read_ranges", "rows_reported"]

MANIFEST, COLUMNS = "fer_stage", "columns"  # names inside a store, the same in every format


class Target(NamedTuple):
    """Rows of one view, and where they go: a C-contiguous array of shape (len(rows), *row_shape)."""

    rows: range
    into: npt.NDArray[Any]


# What zarr and h5py were seen to raise for corrupted bytes: each breaks another of their assumptions.
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
    """Turn whatever a library raises over bytes that it cannot read into a StoreDamagedError about `what`.

    Where the system refused to read them, or another program has the file open, it is the error of that cause instead.
    """
    try:
        yield
    except _LIBRARY_ERRORS as error:
        if refused := refusal(error, what):
            raise refused from error
        raise StoreDamagedError(f"{what} cannot be read ({error}). {RESTORE}") from error


def rows_reported(path: AnyPath, name: str, view: int, rows: range) -> AbstractContextManager[None]:
    """`damage_reported` about some rows of one view of an output."""
    return damage_reported(f"{path}: rows {rows.start}-{rows.stop - 1} of {name}, view {view}")


class Backend(Protocol):
    """A file format of stores. It decides nothing: when to write, and what is finished, is up to the writer.

    A store is built in a private folder, where `assemble` makes the finished store; the writer then moves it to its
    target. Reading opens the store again for every call, so that readers may be forked, pickled and threaded.
    The last four methods report what the files themselves say; `cache.upkeep.integrity` compares it with the manifest.
    """

    @property
    def suffix(self) -> str:
        """Suffix of a store's name, with the dot."""

    def create(self, folder: AnyPath, schema: Schema) -> None:
        """Prepare the empty folder for blocks."""

    def holds_blocks(self, folder: AnyPath) -> bool:
        """Whether the blocks of a stopped writer are in the folder: no longer once its store was moved away."""

    def write_block(self, folder: AnyPath, schema: Schema, name: str, shard: int, block: npt.NDArray[Any]) -> None:
        """Store one block, shape (V, rows, *row_shape). It is durable when the call returns."""

    def read_block(self, folder: AnyPath, schema: Schema, name: str, shard: int) -> npt.NDArray[Any]:
        """What `write_block` stored; only its shape and dtype are checked."""

    def assemble(self, folder: AnyPath, schema: Schema, columns: Columns, manifest: str) -> AnyPath:
        """Join blocks, columns and manifest to a complete store inside `folder`; durable when the call returns."""

    def read_manifest(self, path: AnyPath) -> str:
        """The manifest's text; SchemaError if there is none."""

    def read_column(self, path: AnyPath, schema: Schema, name: str) -> Column:
        """One value per row: strings or numbers.

        StoreDamagedError if it is not laid out as `schema` says.
        """

    def read_into(self, path: AnyPath, schema: Schema, name: str, view: int, targets: Sequence[Target]) -> list[int]:
        """Fill every target with its rows of one view; the CRC32C of each target's bytes, computed as they are read.

        The layout of the array is checked against `schema`, its values are not: compare the checksums. The store is
        opened once, and several targets are filled at the same time. StoreDamagedError names the rows of the first
        target that cannot be read.
        """

    def layout(self, path: AnyPath, name: str) -> Layout | None:
        """How one array, `pooled` or `columns/id`, is laid out by its own description; None if there is none.

        StoreDamagedError if the description cannot be read.
        """

    def members(self, path: AnyPath) -> set[str]:
        """The names of everything in the store: files of a folder, arrays and groups of a file."""

    def required_members(self, outputs: Mapping[str, Layout]) -> dict[str, range | None]:
        """Members that a store with these outputs has -> the rows of features in each, None where it has none."""

    def allowed_members(self, columns: Mapping[str, Layout]) -> set[str]:
        """Members that may be there besides: those of the columns, whose values have digests of their own."""


def read_ranges(
    backend: Backend, path: AnyPath, schema: Schema, name: str, view: int, ranges: Sequence[range]
) -> list[tuple[npt.NDArray[Any], int]]:
    """Rows of one view for each of `ranges`, shape (len(rows), *row_shape), with their CRC32C; see `read_into`."""
    array = schema.array(name)
    values = np.empty((sum(map(len, ranges)), *array.row_shape), array.dtype)
    stops = np.cumsum([len(rows) for rows in ranges]).tolist()
    parts = [values[stop - len(rows) : stop] for rows, stop in zip(ranges, stops, strict=True)]
    checksums = backend.read_into(path, schema, name, view, list(map(Target, ranges, parts)))
    return list(zip(parts, checksums, strict=True))
