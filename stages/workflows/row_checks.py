"""Random rows encoded again and compared with what is stored.

Checksums show that bytes are those that were written, not that an encoder made them: whoever alters a store can write
its checksums again. The rows of a sample are random: which ones have to be right is not known before.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.encoders import ImageEncoder
from pipeline.encoders.parity import Parity, parity
from pipeline.errors import DatasetError, ImageError
from pipeline.images.prepare import Preparer
from pipeline.images.reading import ImageRow
from stages.workflows.parity import N_ROWS, Tolerance, encode_one_by_one

__all__ = ["CheckResult", "ReadStored", "RowChecker", "ToleranceOf", "usable_images"]

ReadStored: TypeAlias = Callable[[int, int], Mapping[str, npt.NDArray[Any]]]
"""(row, view) -> output -> what is stored, shape (1, *row_shape)"""
ToleranceOf: TypeAlias = Callable[[str], Tolerance]
"""output -> tolerance"""
Rows: TypeAlias = Sequence[int] | npt.NDArray[np.intp]


@dataclass(frozen=True)
class CheckResult:
    """How a sample compares.

    Parameters
    ----------
    n_rows : how many rows were encoded again; 0 if none of their images can be read
    problem : how they differ from what is stored; empty if they do not
    unreadable : why an image of the sample could not be read; empty if all could
    """

    n_rows: int = 0
    problem: str = ""
    unreadable: str = ""

    def __add__(self, other: CheckResult) -> CheckResult:
        return CheckResult(
            self.n_rows + other.n_rows, self.problem or other.problem, self.unreadable or other.unreadable
        )


@dataclass
class RowChecker:
    """Encodes random rows again and compares them with what is stored.

    Parameters
    ----------
    jobs : every usable image of the table, in the order of their rows
    new_preparer : opens the images; called once, when the first one is read
    outputs : which are compared
    rng : chooses the rows
    """

    jobs: Sequence[ImageRow]
    new_preparer: Callable[[], Preparer]
    encoder: ImageEncoder
    outputs: Sequence[str]
    rng: np.random.Generator
    _unreadable: list[str] = field(default_factory=list)

    def check_plain(self, rows: Rows, stored: ReadStored, tolerance: ToleranceOf) -> CheckResult:
        """Compare view 0 of some of the rows."""
        return self._compare([replace(job, views=(0,)) for job in self._sample(rows)], stored, tolerance)

    def check_augmented(self, rows: Rows, stored: ReadStored, tolerance: ToleranceOf) -> CheckResult:
        """Compare one augmented view, random as well, of some of the rows."""
        with_views = [(job, [view for view in job.views if view]) for job in self._sample(rows)]
        jobs = [replace(job, views=(int(self.rng.choice(views)),)) for job, views in with_views if views]
        return self._compare(jobs, stored, tolerance)

    def check_rejected(self, reasons: Mapping[int, str]) -> CheckResult:
        """Whether the images of some rows that have no feature really cannot be used.

        Parameters
        ----------
        reasons : row -> why it has no feature
        """
        problem = ""
        jobs = self._readable([replace(job, views=(0,)) for job in self._sample(list(reasons))])
        for job in jobs:
            if not self._preparer([job]).rejected:
                problem = f"row {job.row} has no feature ({reasons[job.row]}), and its image {job.path} can be used"
        return CheckResult(len(jobs), problem, self._pop_unreadable())

    @cached_property
    def _preparer(self) -> Preparer:
        return self.new_preparer()

    @cached_property
    def _why_not_open(self) -> str:
        """Why no image can be read at all; empty if the dataset can be opened."""
        try:
            _ = self._preparer
        except DatasetError as error:
            return str(error)
        return ""

    def _sample(self, rows: Rows) -> list[ImageRow]:
        chosen = self.rng.choice(np.asarray(rows, np.intp), min(N_ROWS, len(rows)), replace=False)
        places = [(row, bisect_left(self.jobs, row, key=lambda job: job.row)) for row in np.sort(chosen)]
        # Whoever wrote that a row is rejected may have named one that the table does not have.
        return [self.jobs[at] for row, at in places if at < len(self.jobs) and self.jobs[at].row == row]

    def _readable(self, jobs: Sequence[ImageRow]) -> list[ImageRow]:
        """The jobs whose images exist, and are those of the table; notes why others are not."""
        if self._why_not_open:
            self._unreadable.append(self._why_not_open)
            return []
        reasons = {job.row: _why_unreadable(job, self._preparer) for job in jobs}
        self._unreadable += [reason for reason in reasons.values() if reason]
        return [job for job in jobs if not reasons[job.row]]

    def _pop_unreadable(self) -> str:
        reason = self._unreadable[0] if self._unreadable else ""
        self._unreadable.clear()
        return reason

    def _compare(self, jobs: Sequence[ImageRow], read_stored: ReadStored, tolerance: ToleranceOf) -> CheckResult:
        references, stored = [], []
        for job in self._readable(jobs):
            try:
                references.append(encode_one_by_one([job], self._preparer, self.encoder, self.outputs))
                stored.append(read_stored(job.row, job.views[0]))
            except ImageError as error:  # decoders differ between machines: nothing to compare with
                self._unreadable.append(str(error))
        problems = [
            f"{output}: {tolerance(output).text(measured)}"
            for output in self.outputs
            if stored and not tolerance(output).holds(measured := _parity(stored, references, output))
        ]
        return CheckResult(len(stored), "; ".join(problems), self._pop_unreadable())


def usable_images(jobs: Iterable[ImageRow], preparer: Preparer) -> list[ImageRow]:
    """The plain view of each job whose image exists, is that of the table, and can be decoded on this machine."""
    plain = [replace(job, views=(0,)) for job in jobs]
    return [job for job in plain if not (_why_unreadable(job, preparer) or preparer([job]).rejected)]


def _why_unreadable(job: ImageRow, preparer: Preparer) -> str:
    """Why the image of a job cannot be read; empty if it can, and is that of the table."""
    try:
        data = preparer.root.read(job.path)
    except (DatasetError, ImageError) as error:
        return f"{job.path}: {error}"
    same = hashlib.sha256(data).hexdigest() == job.sha256
    return "" if same else f"{job.path} is not the file that was indexed"


def _parity(
    stored: Sequence[Mapping[str, npt.NDArray[Any]]], references: Sequence[Mapping[str, npt.NDArray[Any]]], output: str
) -> Parity:
    rows, again = (np.concatenate([row[output] for row in side]) for side in (stored, references))
    return parity(rows, again)
