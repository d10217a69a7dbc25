"""Rows that an extract copies instead of encoding: of each source a sample is encoded again before any is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.places import AnyPath
from cache.reuse import Reuse
from cache.upkeep.inventory import statuses_below
from cache.writing.writer import StoreWriter
from stages.output import say
from stages.workflows.parity import LOOSEST, Tolerance, tolerance_of
from stages.workflows.row_checks import CheckResult, RowChecker

__all__ = ["CheckedReuse", "check_finished_shards", "check_reuse", "reusable_stores"]


@dataclass(frozen=True)
class CheckedReuse:
    """What may be copied from other stores.

    Parameters
    ----------
    reuse : without the stores that differ
    results : store -> how its sample compares, of every store that was checked
    false_rejects : an image that a store has as unusable, and that can be used; empty if there is none
    """

    reuse: Reuse
    results: Mapping[AnyPath, CheckResult] = field(default_factory=dict)
    false_rejects: str = ""

    @property
    def refused(self) -> dict[AnyPath, str]:
        """Store whose rows are not taken -> how they differ."""
        return {path: result.problem for path, result in self.results.items() if result.problem}

    @property
    def not_checked(self) -> dict[AnyPath, tuple[int, str]]:
        """Store of which no image could be read -> how many rows are taken from it, and why none could."""
        not_checked = {}
        for number, store in enumerate(self.reuse.sources):
            result, n_rows = self.results.get(store.path), len(self.reuse.rows_from(number)[0])
            if result and n_rows and not result.n_rows:
                not_checked[store.path] = (n_rows, result.unreadable)
        return not_checked

    def provenance(self) -> dict[str, Any]:
        """What was reused, by the key of its store, and how much of it was encoded again.

        `reused_not_checked` has the rows of stores of which no image could be read.
        """
        n_checked, n_not_checked, not_checked = Counter[str](), Counter[str](), self.not_checked
        for store in self.reuse.sources:
            if store.path in not_checked:
                n_not_checked[store.key] += not_checked[store.path][0]
            elif store.path in self.results:
                n_checked[store.key] += self.results[store.path].n_rows
        reused: dict[str, Any] = {"reused": self.reuse.used()}
        reused |= {"reused_checked": dict(n_checked)} if n_checked else {}
        return reused | ({"reused_not_checked": dict(n_not_checked)} if n_not_checked else {})


def reusable_stores(features: AnyPath, target: AnyPath) -> list[Store]:
    """Every finished store below a features root, the one at `target` first; one that cannot be opened is noted."""
    statuses = statuses_below(features.absolute())
    for status in statuses:
        if status.why:
            say(f"note: rows of {status.path} are not reused: {status.why}")
    stores = [status.store for status in statuses if status.store]
    return sorted(stores, key=lambda store: store.path != target.absolute())


def check_reuse(find: Callable[[Collection[AnyPath]], Reuse], checker: RowChecker) -> CheckedReuse:
    """Find rows in other stores, except those whose sample differs.

    Parameters
    ----------
    find : finds rows in all stores but those at the given places
    """
    results: dict[AnyPath, CheckResult] = {}
    while True:
        reuse = find([path for path, result in results.items() if result.problem])
        new = [
            number
            for number, store in enumerate(reuse.sources)
            if store.path not in results and any(map(len, reuse.rows_from(number)))
        ]
        for number in new:
            results[reuse.sources[number].path] = _check_source(reuse, number, checker)
        if not any(results[reuse.sources[number].path].problem for number in new):
            false_rejects = checker.check_rejected(reuse.rejected).problem
            return CheckedReuse(replace(reuse, rejected={}) if false_rejects else reuse, results, false_rejects)


def _check_source(reuse: Reuse, number: int, checker: RowChecker) -> CheckResult:
    plain, augmented = reuse.rows_from(number)

    def stored(row: int, view: int) -> Mapping[str, npt.NDArray[Any]]:
        return reuse.read(row, view, checker.outputs)

    def tolerance(output: str) -> Tolerance:
        return tolerance_of(reuse.sources[number].manifest, output)

    result = checker.check_plain(plain, stored, tolerance)
    return result if result.problem else result + checker.check_augmented(augmented, stored, tolerance)


def check_finished_shards(writer: StoreWriter, checker: RowChecker) -> CheckResult:
    """Compare rows of the finished shards of a stopped writer; their key is all that identifies their writer."""
    schema = writer.schema
    usable = checker.images.needed.copy()
    rejected = {row: reason for row, reason in writer.rejected.items() if 0 <= row < len(usable) and usable[row]}
    usable[list(rejected)] = False
    finished = [np.flatnonzero(usable[_slice(schema.rows(shard))]) + schema.rows(shard).start for shard in writer.done]
    rows = np.sort(np.concatenate(finished))

    def stored(row: int, view: int) -> Mapping[str, npt.NDArray[Any]]:
        shard, inside = divmod(row, schema.shard_rows)
        return {name: writer.read_shard(shard, name)[view, inside][None] for name in checker.outputs}

    result = checker.check_plain(rows, stored, lambda _output: LOOSEST)
    if not result.problem and schema.n_views > 1:
        result += checker.check_augmented(rows, stored, lambda _output: LOOSEST)
    return result if result.problem else result + checker.check_rejected(rejected)


def _slice(rows: range) -> slice:
    return slice(rows.start, rows.stop)
