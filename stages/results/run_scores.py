"""The scores of one head, as `evaluate` makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.footnotes import DatasetFinding
    from pipeline.records import Export, Run, Score

__all__ = ["RunScores"]


@dataclass(frozen=True)
class RunScores:
    """The scores of one head.

    Parameters
    ----------
    folder : of the run, or of the exported head
    record : its run.json or head.json
    entries : one per dataset, as scores.json has them
    note : what must be stated with every number of the head
    path : the scores.json that has them; None where nothing is written
    n_new : how many entries were scored now; the others were up to date
    audit : of each entry, what audits found in the datasets that the head was trained and scored on, as far as it makes
        the score doubtful
    """

    folder: Path
    record: Run | Export = field(repr=False)
    entries: tuple[Score, ...] = field(repr=False)
    note: str
    path: Path | None
    n_new: int = 0
    audit: tuple[tuple[DatasetFinding, ...], ...] = field(default=(), repr=False)
