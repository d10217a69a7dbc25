"""One walk through a store whose manifest is valid: its arrays, members, columns, and every row of every shard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.backends import read_ranges
from cache.backends.base import COLUMNS
from cache.backends.expected import Layout, column_problem, output_problem
from cache.columns import Column
from cache.errors import StoreDamagedError
from cache.schema import OK, ArraySpec, read_together
from cache.store import Store
from cache.upkeep.problems import FOREIGN, Problem, problem_text

__all__ = ["Inspection", "OnShard"]

_Rows = tuple[npt.NDArray[Any], int]  # of a shard, and the CRC32C of what was read
OnShard = Callable[[int, int], None]
"""Called with (done, all) after each shard."""


@dataclass(frozen=True)
class Inspection:
    """One walk through a store whose manifest is valid."""

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
        """Output -> its layout on disk, or what is wrong with it."""
        return {array.name: self._layout(array) for array in self.store.manifest.schema.arrays}

    def _layout(self, array: ArraySpec) -> Layout | str:
        try:
            layout = self.store.backend.layout(self.store.path, array.name)
        except StoreDamagedError as error:
            return problem_text(error, self.store.path)
        if layout is None:
            return "the array is not there"
        return output_problem(layout, self.store.manifest.schema, array.name) or layout

    @property
    def _valid_outputs(self) -> dict[str, Layout]:
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
            yield Problem("array", str(path), problem_text(error, self.store.path))
            return
        required = backend.required_members(self._valid_outputs)
        for member in sorted(set(required) - members):
            yield Problem("missing", f"{path}: {member}", "it is not there", required[member])
        reported = self._outputs.keys() - self._valid_outputs.keys()
        for member in sorted(members - set(required) - backend.allowed_members(self._columns())):
            if member.partition("/")[0] not in reported:
                yield Problem(FOREIGN, f"{path}: {member}", "it is not part of the store")

    def _columns(self) -> dict[str, Layout]:
        layouts = {}
        for name in self.store.manifest.columns:
            try:
                layout = self.store.backend.layout(self.store.path, f"{COLUMNS}/{name}")
            except StoreDamagedError:
                continue  # reading the column reports it
            if layout and not column_problem(layout, self.store.manifest.schema, name):
                layouts[f"{COLUMNS}/{name}"] = layout
        return layouts

    def _column_problems(self) -> Iterator[Problem]:
        for name in self.store.manifest.columns:
            wrong = self._read_column(name)
            if isinstance(wrong, str):
                yield Problem("column", f"{self.store.path}: column {name}", wrong)

    def _read_column(self, name: str) -> Column | str:
        """The values, or what is wrong with them."""
        try:
            values = self.store.intact_column(name)
        except StoreDamagedError as error:
            return problem_text(error, self.store.path)
        return "it is not what was written" if values is None else values

    @cached_property
    def _rejected(self) -> npt.NDArray[np.bool_] | None:
        """For each row whether it has no feature; None if the column cannot be read."""
        status = self._read_column("status") if "status" in self.store.manifest.columns else "no such column"
        return None if isinstance(status, str) else np.asarray(status[:] != OK, bool)

    def _status_problems(self) -> Iterator[Problem]:
        if self._rejected is None:
            return
        for row in sorted(self.store.manifest.rejected):
            if not self._rejected[row]:
                where = f"{self.store.path}: column status"
                yield Problem("column", where, "the row was rejected while encoding, not here", range(row, row + 1))

    def _shard_problems(self) -> Iterator[Problem]:
        schema = self.store.manifest.schema
        for shards in read_together(range(schema.n_shards), schema.shard_rows * schema.row_bytes):
            read = {name: list(zip(*self._read_blocks(name, shards), strict=True)) for name in self._valid_outputs}
            for i, shard in enumerate(shards):
                for name in self._valid_outputs:
                    yield from self._block_problems(shard, name, read[name][i])
                self.on_shard(shard + 1, schema.n_shards)

    def _read_blocks(self, name: str, shards: Sequence[int]) -> list[list[_Rows | str]]:
        """For each view the rows of each shard, or what is wrong with them."""
        return [self._read_rows(name, view, shards) for view in range(self.store.n_views())]

    def _read_rows(self, name: str, view: int, shards: Sequence[int]) -> list[_Rows | str]:
        schema = self.store.manifest.schema
        ranges = [schema.rows(shard) for shard in shards]
        try:
            return list(read_ranges(self.store.backend, self.store.path, schema, name, view, ranges))
        except StoreDamagedError as error:
            if len(shards) == 1:
                return [problem_text(error, self.store.path)]
        return [self._read_rows(name, view, [shard])[0] for shard in shards]

    def _block_problems(self, shard: int, name: str, block: Sequence[_Rows | str]) -> Iterator[Problem]:
        record, rows = self.store.manifest.shards[shard], self.store.manifest.schema.rows(shard)
        digest, is_complete = hashlib.sha256(), True
        for view, read in enumerate(block):
            where = f"{self.store.path}: {name}, view {view}"
            if isinstance(read, str):
                yield Problem("features", where, read, rows)
                is_complete = False
                continue
            values, crc = read
            digest.update(values.reshape(-1).view(np.uint8).data)
            if crc != record.checksums[name][view]:
                yield Problem("features", where, "the rows are not what was written (CRC32C)", rows)
                is_complete = False
            else:
                yield from self._value_problems(where, view, rows, values, self.store.array(name))
        if is_complete and digest.hexdigest() != record.sha256[name]:
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
