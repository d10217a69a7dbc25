"""Random rows encoded again and compared with what is stored.

Checksums show that bytes are those that were written, not that an encoder made them: whoever alters a store can write
its checksums again. The rows of a sample are random: which ones have to be right is not known before.
"""

from __future__ import annotations

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
from stages.workflows.image_rows import ImageRows
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
    images : every usable image of the table, in the order of their rows
    new_preparer : opens the images; called once, when the first one is read
    outputs : which are compared
    rng : chooses the rows
    """

    images: ImageRows
    new_preparer: Callable[[], Preparer]
    encoder: ImageEncoder
    outputs: Sequence[str]
    rng: np.random.Generator
    _unreadable: list[str] = field(default_factory=list)

    def check_plain(self, rows: Rows, stored: ReadStored, tolerance: ToleranceOf) -> CheckResult:
        """Compare view 0 of some of the rows."""
        return self._compare([replace(image, views=(0,)) for image in self._sample(rows)], stored, tolerance)

    def check_augmented(self, rows: Rows, stored: ReadStored, tolerance: ToleranceOf) -> CheckResult:
        """Compare one augmented view, random as well, of some of the rows."""
        with_views = [(image, [view for view in image.views if view]) for image in self._sample(rows)]
        images = [replace(image, views=(int(self.rng.choice(views)),)) for image, views in with_views if views]
        return self._compare(images, stored, tolerance)

    def check_rejected(self, reasons: Mapping[int, str]) -> CheckResult:
        """Whether the images of some rows that have no feature really cannot be used.

        Parameters
        ----------
        reasons : row -> why it has no feature
        """
        problem = ""
        images = self._readable([replace(image, views=(0,)) for image in self._sample(list(reasons))])
        for image in images:
            if not self._preparer([image]).rejected:
                why = reasons[image.row]
                problem = f"row {image.row} has no feature ({why}), and its image {image.path} can be used"
        return CheckResult(len(images), problem, self._pop_unreadable())

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
        needed = self.images.needed
        # Whoever wrote that a row is rejected may have named one that the table does not have.
        present = [row for row in np.sort(chosen).tolist() if 0 <= row < len(needed) and needed[row]]
        return list(self.images.at_rows(np.array(present, np.intp)))

    def _readable(self, images: Sequence[ImageRow]) -> list[ImageRow]:
        """The images whose files exist, and are those of the table; notes why others are not."""
        if self._why_not_open:
            self._unreadable.append(self._why_not_open)
            return []
        reasons = {image.row: _why_unreadable(image, self._preparer) for image in images}
        self._unreadable += [reason for reason in reasons.values() if reason]
        return [image for image in images if not reasons[image.row]]

    def _pop_unreadable(self) -> str:
        reason = self._unreadable[0] if self._unreadable else ""
        self._unreadable.clear()
        return reason

    def _compare(self, images: Sequence[ImageRow], read_stored: ReadStored, tolerance: ToleranceOf) -> CheckResult:
        references, stored = [], []
        for image in self._readable(images):
            try:
                references.append(encode_one_by_one([image], self._preparer, self.encoder, self.outputs))
                stored.append(read_stored(image.row, image.views[0]))
            except ImageError as error:  # decoders differ between machines: nothing to compare with
                self._unreadable.append(str(error))
        problems = [
            f"{output}: {tolerance(output).text(measured)}"
            for output in self.outputs
            if stored and not tolerance(output).holds(measured := _parity(stored, references, output))
        ]
        return CheckResult(len(stored), "; ".join(problems), self._pop_unreadable())


def usable_images(images: Iterable[ImageRow], preparer: Preparer) -> list[ImageRow]:
    """The plain view of each image whose file exists, is that of the table, and can be decoded on this machine."""
    plain = [replace(image, views=(0,)) for image in images]
    return [image for image in plain if not (_why_unreadable(image, preparer) or preparer([image]).rejected)]


def _why_unreadable(image: ImageRow, preparer: Preparer) -> str:
    """Why an image cannot be read; empty if it can, and is that of the table."""
    try:
        difference = preparer.root.difference(image.path, preparer.root.read(image.path), image.sha256)
    except (DatasetError, ImageError) as error:
        return f"{image.path}: {error}"
    return f"{image.path} {difference}" if difference else ""


def _parity(
    stored: Sequence[Mapping[str, npt.NDArray[Any]]], references: Sequence[Mapping[str, npt.NDArray[Any]]], output: str
) -> Parity:
    rows, again = (np.concatenate([row[output] for row in side]) for side in (stored, references))
    return parity(rows, again)
