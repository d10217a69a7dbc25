"""Rows that this run did not encode: a sample is encoded again before any of them is taken.

Checksums show that bytes are those that were written, not that an encoder made them: whoever alters a store can write
its checksums again. The rows of a sample are drawn at random: which ones have to be right is not known before.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.places import Place
from cache.reuse import Reuse
from cache.writing.writer import StoreWriter
from pipeline.encoders import Encoder
from pipeline.errors import DatasetError, ImageError
from pipeline.extraction.parity import Parity, parity
from pipeline.images.prepare import Job, Preparer
from stages.workflows.parity import LOOSEST, N_ROWS, Tolerance, re_encoded, tolerance_of

__all__ = ["Checked", "RowChecker", "TrustedReuse", "checked_shards", "trusted_reuse", "usable"]

Stored = Callable[[int, int], Mapping[str, npt.NDArray[Any]]]  # row, view -> output: shape (1, *row_shape)
Limit = Callable[[str], Tolerance]  # of an output


@dataclass(frozen=True)
class Checked:
    """What became of a sample.

    Parameters
    ----------
    n_rows : how many rows were encoded again; 0 if none of their images can be read
    problem : how they differ from what is stored; empty if they do not
    unread : why an image of the sample could not be read; empty if all could
    """

    n_rows: int = 0
    problem: str = ""
    unread: str = ""

    def __add__(self, other: Checked) -> Checked:
        return Checked(self.n_rows + other.n_rows, self.problem or other.problem, self.unread or other.unread)


@dataclass
class RowChecker:
    """Encodes drawn rows again and compares them with what is stored.

    Parameters
    ----------
    jobs : every usable image of the table, in the order of their rows
    new_preparer : opens the images; called once, when the first one is read
    outputs : what is compared
    rng : draws the rows
    """

    jobs: Sequence[Job]
    new_preparer: Callable[[], Preparer]
    encoder: Encoder
    outputs: Sequence[str]
    rng: np.random.Generator
    _unread: list[str] = field(default_factory=list)

    def plain(self, rows: Sequence[int] | npt.NDArray[np.intp], stored: Stored, limit: Limit) -> Checked:
        """Compare view 0 of some of the rows."""
        return self._compared([replace(job, views=(0,)) for job in self._drawn(rows)], stored, limit)

    def augmented(self, rows: Sequence[int] | npt.NDArray[np.intp], stored: Stored, limit: Limit) -> Checked:
        """Compare one augmented view, drawn as well, of some of the rows."""
        with_views = [(job, [view for view in job.views if view]) for job in self._drawn(rows)]
        jobs = [replace(job, views=(int(self.rng.choice(views)),)) for job, views in with_views if views]
        return self._compared(jobs, stored, limit)

    def rejected(self, reasons: Mapping[int, str]) -> Checked:
        """Whether the images of some rows that have no feature really cannot be used."""
        problem = ""
        jobs = self._readable([replace(job, views=(0,)) for job in self._drawn(list(reasons))])
        for job in jobs:
            if not self._preparer([job]).rejected:
                problem = f"row {job.row} has no feature ({reasons[job.row]}), and its image {job.path} can be used"
        return Checked(len(jobs), problem, self._why_unread())

    @cached_property
    def _preparer(self) -> Preparer:
        return self.new_preparer()

    @cached_property
    def _cannot_open(self) -> str:
        """Why no image can be read at all; empty if the dataset can be opened."""
        try:
            _ = self._preparer
        except DatasetError as error:
            return str(error)
        return ""

    def _drawn(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> list[Job]:
        chosen = self.rng.choice(np.asarray(rows, np.intp), min(N_ROWS, len(rows)), replace=False)
        found = [(row, bisect_left(self.jobs, row, key=lambda job: job.row)) for row in np.sort(chosen)]
        # Whoever wrote that a row is rejected may have named one that the table does not have.
        return [self.jobs[at] for row, at in found if at < len(self.jobs) and self.jobs[at].row == row]

    def _readable(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs whose images are there, and are those of the table; why others are not is kept."""
        if self._cannot_open:
            self._unread.append(self._cannot_open)
            return []
        reasons = {job.row: _unreadable(job, self._preparer) for job in jobs}
        self._unread += [reason for reason in reasons.values() if reason]
        return [job for job in jobs if not reasons[job.row]]

    def _why_unread(self) -> str:
        reason = self._unread[0] if self._unread else ""
        self._unread.clear()
        return reason

    def _compared(self, jobs: Sequence[Job], stored: Stored, limit: Limit) -> Checked:
        again, kept = [], []
        for job in self._readable(jobs):
            try:
                again.append(re_encoded([job], self._preparer, self.encoder, self.outputs))
                kept.append(stored(job.row, job.views[0]))
            except ImageError as error:  # decoders differ between machines: nothing to compare with
                self._unread.append(str(error))
        problems = [
            f"{output}: {limit(output).text(measured)}"
            for output in self.outputs
            if kept and not limit(output).holds(measured := _parity(kept, again, output))
        ]
        return Checked(len(kept), "; ".join(problems), self._why_unread())


def usable(jobs: Iterable[Job], preparer: Preparer) -> list[Job]:
    """The plain view of each job whose image is there, is that of the table, and can be decoded on this machine."""
    plain = [replace(job, views=(0,)) for job in jobs]
    return [job for job in plain if not (_unreadable(job, preparer) or preparer([job]).rejected)]


def _unreadable(job: Job, preparer: Preparer) -> str:
    """Why the image of a job cannot be read; empty if it can, and is that of the table."""
    try:
        data = preparer.root.read(job.path)
    except (DatasetError, ImageError) as error:
        return f"{job.path}: {error}"
    same = hashlib.sha256(data).hexdigest() == job.sha256
    return "" if same else f"{job.path} is not the file that was indexed"


def _parity(
    kept: Sequence[Mapping[str, npt.NDArray[Any]]], again: Sequence[Mapping[str, npt.NDArray[Any]]], output: str
) -> Parity:
    stored, reference = (np.concatenate([row[output] for row in rows]) for rows in (kept, again))
    return parity(stored, reference)


@dataclass(frozen=True)
class TrustedReuse:
    """What may be copied from other stores.

    Parameters
    ----------
    reuse : without the stores that are not right
    checked : store -> how its sample compares, of every store that was looked at
    false_rejects : an image that a store has as unusable, and that can be used; empty if there is none
    """

    reuse: Reuse
    checked: Mapping[Place, Checked] = field(default_factory=dict)
    false_rejects: str = ""

    @property
    def refused(self) -> dict[Place, str]:
        """Store whose rows are not taken -> how they differ."""
        return {path: checked.problem for path, checked in self.checked.items() if checked.problem}

    @property
    def not_checked(self) -> dict[Place, tuple[int, str]]:
        """Store of which no image could be read -> how many rows are taken from it, and why none could."""
        found = {}
        for number, store in enumerate(self.reuse.sources):
            checked, n_rows = self.checked.get(store.path), len(self.reuse.rows_from(number)[0])
            if checked and n_rows and not checked.n_rows:
                found[store.path] = (n_rows, checked.unread)
        return found

    def provenance(self) -> dict[str, Any]:
        """What was reused, by the key of its store, and how much of it was encoded again.

        `reused_not_checked` has the rows of stores of which no image could be read.
        """
        checked, not_checked, unread = Counter[str](), Counter[str](), self.not_checked
        for store in self.reuse.sources:
            if store.path in unread:
                not_checked[store.key] += unread[store.path][0]
            elif store.path in self.checked:
                checked[store.key] += self.checked[store.path].n_rows
        used: dict[str, Any] = {"reused": self.reuse.used()}
        used |= {"reused_checked": dict(checked)} if checked else {}
        return used | ({"reused_not_checked": dict(not_checked)} if not_checked else {})


def trusted_reuse(find: Callable[[Collection[Place]], Reuse], checker: RowChecker) -> TrustedReuse:
    """Look rows up in other stores, without those whose sample differs.

    Parameters
    ----------
    find : looks rows up in all stores but those at the given places
    """
    checked: dict[Place, Checked] = {}
    while True:
        reuse = find([path for path, found in checked.items() if found.problem])
        new = [
            number
            for number, store in enumerate(reuse.sources)
            if store.path not in checked and any(map(len, reuse.rows_from(number)))
        ]
        for number in new:
            checked[reuse.sources[number].path] = _of_source(reuse, number, checker)
        if not any(checked[reuse.sources[number].path].problem for number in new):
            false_rejects = checker.rejected(reuse.rejected).problem
            return TrustedReuse(replace(reuse, rejected={}) if false_rejects else reuse, checked, false_rejects)


def _of_source(reuse: Reuse, number: int, checker: RowChecker) -> Checked:
    plain, augmented = reuse.rows_from(number)

    def stored(row: int, view: int) -> Mapping[str, npt.NDArray[Any]]:
        return reuse.read(row, view, checker.outputs)

    def limit(output: str) -> Tolerance:
        return tolerance_of(reuse.sources[number].manifest, output)

    found = checker.plain(plain, stored, limit)
    return found if found.problem else found + checker.augmented(augmented, stored, limit)


def checked_shards(writer: StoreWriter, checker: RowChecker) -> Checked:
    """Compare rows of the finished shards of a stopped writer; whose shards they are is known by their key alone."""
    schema = writer.schema
    finished = [row for shard in sorted(writer.done) for row in schema.rows(shard)]
    usable = {job.row for job in checker.jobs}
    rows = [row for row in finished if row in usable and row not in writer.rejected]

    def stored(row: int, view: int) -> Mapping[str, npt.NDArray[Any]]:
        shard, inside = divmod(row, schema.shard_rows)
        return {name: writer.read_shard(shard, name)[view, inside][None] for name in checker.outputs}

    found = checker.plain(rows, stored, lambda _output: LOOSEST)
    if not found.problem and schema.n_views > 1:
        found += checker.augmented(rows, stored, lambda _output: LOOSEST)
    rejected = {row: reason for row, reason in writer.rejected.items() if row in usable}
    return found if found.problem else found + checker.rejected(rejected)
