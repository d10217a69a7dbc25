"""Whether a store still holds what was written: every byte is read and compared with the manifest.

Reading a store checks what it touches and stops at the first damage; this looks at everything and lists it all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.backends import backend_of
from cache.backends.base import COLUMNS
from cache.backends.expected import Layout, column_problem, output_problem
from cache.columns import column_digests
from cache.errors import (
    RESTORE,
    NewerSchemaError,
    SchemaError,
    StorageError,
    StoreDamagedError,
    StoreLockedError,
)
from cache.places import Place, place
from cache.schema import OK, ArraySpec, read_together
from cache.shard_records import checksum
from cache.store import Store, open_store
from cache.upkeep.mmap_check import wrong_copies

__all__ = ["Problem", "verify"]

OnShard = Callable[[int, int], None]

_FOREIGN, _UNREAD, _COPY = "foreign", "unread", "copy"
_REFUSED = (NewerSchemaError, StorageError, StoreLockedError)  # the bytes may be right


@dataclass(frozen=True)
class Problem:
    """Something that is not as the manifest says.

    Parameters
    ----------
    kind : `manifest`, `array`, `missing` (a file), `column`, `features` (bits), `values` (NaN where none may be, or a
        number where none may be), `copy` (a memory-mapped copy that is not what the store holds), `unread` (the
        system, another program or a newer format is in the way: whether the rest is right is not known), or `foreign`
        (a file that is not ours). Only the first six are damage of the store
    where : store, and what in it
    what : what was expected and found
    rows : of the store; None where it concerns no row or all of them
    """

    kind: str
    where: str
    what: str
    rows: range | None = None

    @property
    def is_damage(self) -> bool:
        return self.kind not in (_FOREIGN, _UNREAD, _COPY)

    @property
    def is_copy(self) -> bool:
        """Whether a memory-mapped copy is wrong; the store is right then."""
        return self.kind == _COPY

    @property
    def is_unread(self) -> bool:
        return self.kind == _UNREAD

    @property
    def advice(self) -> str:
        if self.is_unread:
            return "Remove the cause that is named, then verify again: the bytes may be right"
        if self.is_copy:
            return "Delete it: it is made again when it is needed"
        return RESTORE if self.is_damage else "Delete it, unless you know what it is"


def verify(where: str | Place | Store, on_shard: OnShard | None = None) -> list[Problem]:
    """Compare everything in a store with its manifest; a few MB, or one shard, are in memory at a time.

    Structure first (arrays, chunks, columns), then every row of every output and view: CRC32C, SHA-256, and that
    rejected rows hold nothing while all others hold finite numbers. Then its copies, see `cache.mmap_copies`.

    Parameters
    ----------
    where : a finished store
    on_shard : called with (done, all) after each shard

    Returns
    -------
    All problems, not only the first; empty if the store is what was written. Where something is in the way of reading,
    the last one is of kind `unread`, and what would follow was not looked at.

    Raises
    ------
    StoreMissingError, StoreIncompleteError
        If no finished store is there.
    """
    path = where.path if isinstance(where, Store) else place(where)
    backend_of(path)  # a wrong name is a mistake of the caller, not damage
    problems: list[Problem] = []
    try:
        for problem in _problems(path, on_shard or (lambda _done, _all: None)):
            problems.append(problem)  # noqa: PERF402  # what was met before a refusal is kept
    except _REFUSED as error:
        problems.append(Problem(_UNREAD, str(path), _words(error, path)))
    return problems


def _problems(path: Place, on_shard: OnShard) -> Iterator[Problem]:
    try:
        store = open_store(path)
    except NewerSchemaError:
        raise
    except (StoreDamagedError, SchemaError) as error:
        yield Problem("manifest", str(path), _words(error, path))
        return
    damaged = False
    for problem in _Inspection(store, on_shard).problems():
        damaged |= problem.is_damage
        yield problem
    if not damaged:  # else copies would be compared with what is not right
        yield from _copy_problems(store)


def _copy_problems(store: Store) -> Iterator[Problem]:
    for path, what in wrong_copies(store):
        if what is None:
            yield Problem(_FOREIGN, str(path), "it is no copy of rows of this store, and is not used")
        else:
            yield Problem(_COPY, str(path), what)


def _words(error: Exception, path: Place) -> str:
    """The message without what is in a problem's other fields."""
    return str(error).removeprefix(f"{path}: ").removesuffix(f". {RESTORE}")


@dataclass(frozen=True)
class _Inspection:
    """One walk through a store whose manifest is sound."""

    store: Store
    on_shard: OnShard

    def problems(self) -> Iterator[Problem]:
        yield from self._array_problems()
        yield from self._member_problems()
        yield from self._column_problems()
        yield from self._status_problems()
        yield from self._shard_problems()

    @cached_property
    def _outputs(self) -> dict[str, Layout | str]:
        """Output -> how it lies on disk, or what is wrong with that."""
        return {array.name: self._layout(array) for array in self.store.manifest.schema.arrays}

    def _layout(self, array: ArraySpec) -> Layout | str:
        try:
            found = self.store.backend.layout(self.store.path, array.name)
        except StoreDamagedError as error:
            return _words(error, self.store.path)
        if found is None:
            return "the array is not there"
        return output_problem(found, self.store.manifest.schema, array.name) or found

    @property
    def _sound(self) -> dict[str, Layout]:
        return {name: layout for name, layout in self._outputs.items() if isinstance(layout, Layout)}

    def _array_problems(self) -> Iterator[Problem]:
        for name, wrong in self._outputs.items():
            if isinstance(wrong, str):
                yield Problem("array", f"{self.store.path}: {name}", wrong, range(len(self.store)))

    def _member_problems(self) -> Iterator[Problem]:
        """What is missing, and what is too many; the parts of an array that is reported already do not count."""
        path, backend = self.store.path, self.store.backend
        try:
            members = backend.members(path)
        except StoreDamagedError as error:
            yield Problem("array", str(path), _words(error, self.store.path))
            return
        required = backend.required_members(self._sound)
        for member in sorted(set(required) - members):
            yield Problem("missing", f"{path}: {member}", "it is not there", required[member])
        unsound = tuple(name for name in self._outputs if name not in self._sound)
        for member in sorted(members - set(required) - backend.allowed_members(self._columns())):
            if member.partition("/")[0] not in unsound:
                yield Problem(_FOREIGN, f"{path}: {member}", "it is not part of the store")

    def _columns(self) -> dict[str, Layout]:
        found = {}
        for name in self.store.manifest.columns:
            try:
                layout = self.store.backend.layout(self.store.path, f"{COLUMNS}/{name}")
            except StoreDamagedError:
                continue  # reading the column reports it
            if layout and not column_problem(layout, self.store.manifest.schema, name):
                found[f"{COLUMNS}/{name}"] = layout
        return found

    def _column_problems(self) -> Iterator[Problem]:
        for name in self.store.manifest.columns:
            wrong = self._read_column(name)
            if isinstance(wrong, str):
                yield Problem("column", f"{self.store.path}: column {name}", wrong)

    def _read_column(self, name: str) -> npt.NDArray[Any] | str:
        """The values, or what is wrong with them."""
        try:
            values = self.store.backend.read_column(self.store.path, self.store.manifest.schema, name)
        except StoreDamagedError as error:
            return _words(error, self.store.path)
        right = column_digests({name: values})[name] == self.store.manifest.columns[name]
        return values if right else "it is not what was written"

    @cached_property
    def _rejected(self) -> npt.NDArray[np.bool_] | None:
        """For each row whether it has no feature; None if the store does not say so any more."""
        status = self._read_column("status") if "status" in self.store.manifest.columns else "no such column"
        return None if isinstance(status, str) else np.asarray(status != OK, bool)

    def _status_problems(self) -> Iterator[Problem]:
        if self._rejected is None:
            return
        for row in sorted(self.store.manifest.rejected):
            if not self._rejected[row]:
                where = f"{self.store.path}: column status"
                yield Problem("column", where, "the row was rejected while encoding, not here", range(row, row + 1))

    def _shard_problems(self) -> Iterator[Problem]:
        schema = self.store.manifest.schema
        shard_bytes = schema.shard_rows * schema.n_views * sum(array.row_bytes for array in schema.arrays)
        for together in read_together(range(schema.n_shards), shard_bytes):
            read = {name: list(zip(*self._read_blocks(name, together), strict=True)) for name in self._sound}
            for i, shard in enumerate(together):
                for name in self._sound:
                    yield from self._block_problems(shard, name, read[name][i])
                self.on_shard(shard + 1, schema.n_shards)

    def _read_blocks(self, name: str, shards: Sequence[int]) -> list[list[npt.NDArray[Any] | str]]:
        """For each view the rows of each shard, or what is wrong with them."""
        return [self._read_rows(name, view, shards) for view in range(self.store.n_views())]

    def _read_rows(self, name: str, view: int, shards: Sequence[int]) -> list[npt.NDArray[Any] | str]:
        schema = self.store.manifest.schema
        ranges = [schema.rows(shard) for shard in shards]
        try:
            return list(self.store.backend.read_ranges(self.store.path, schema, name, view, ranges))
        except StoreDamagedError as error:
            if len(shards) == 1:
                return [_words(error, self.store.path)]
        return [self._read_rows(name, view, [shard])[0] for shard in shards]

    def _block_problems(self, shard: int, name: str, block: Sequence[npt.NDArray[Any] | str]) -> Iterator[Problem]:
        record, rows = self.store.manifest.shards[shard], self.store.manifest.schema.rows(shard)
        digest, whole = hashlib.sha256(), True
        for view, values in enumerate(block):
            where = f"{self.store.path}: {name}, view {view}"
            if isinstance(values, str):
                yield Problem("features", where, values, rows)
                whole = False
                continue
            digest.update(np.ascontiguousarray(values).tobytes())
            if checksum(values) != record.checksums[name][view]:
                yield Problem("features", where, "the rows are not what was written (CRC32C)", rows)
                whole = False
            else:
                yield from self._value_problems(where, view, rows, values, self.store.array(name))
        if whole and digest.hexdigest() != record.sha256[name]:
            where = f"{self.store.path}: {name}"
            yield Problem("features", where, "the rows are not what was written (SHA-256)", rows)

    def _value_problems(
        self, where: str, view: int, rows: range, values: npt.NDArray[Any], array: ArraySpec
    ) -> Iterator[Problem]:
        if self._rejected is None:
            return
        for what, wrong in _wrong_values(values, array, self._rejected[rows.start : rows.stop], view).items():
            for row in np.flatnonzero(wrong) + rows.start:
                yield Problem("values", where, what, range(int(row), int(row) + 1))


def _wrong_values(
    values: npt.NDArray[Any], array: ArraySpec, rejected: npt.NDArray[np.bool_], view: int
) -> Mapping[str, npt.NDArray[np.bool_]]:
    """What is wrong -> for each row whether it is. Only rows of the train split have views beyond the plain one."""
    flat = values.reshape(len(values), -1)
    if flat.dtype.kind != "f":
        return {"a rejected row holds values": rejected & (flat != array.missing).any(axis=1)}
    finite, empty = np.isfinite(flat).all(axis=1), np.isnan(flat).all(axis=1)
    return {
        "a rejected row holds numbers": rejected & ~empty,
        "a row is not finite": ~rejected & ~finite & ~(empty & (view > 0)),
    }
