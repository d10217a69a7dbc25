"""Test folds by person: every image of one person is in one fold."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from pipeline.datasets.reading.base import LayoutOptions

__all__ = ["NEUTRAL_AND_APEX", "FoldOptions", "folds_by_subject"]

# Reason of a rejected row: a sequence has too few frames, so that its first one is at its apex too.
NEUTRAL_AND_APEX = "neutral and apex frame in one"


class FoldOptions(LayoutOptions):
    """Options of datasets without official splits that the field tests by folds of people."""

    folds: int = Field(
        10, ge=2, le=1000, description="test folds: people in ascending order of their names, dealt out in turn"
    )


def folds_by_subject(subjects: Iterable[str], n_folds: int) -> dict[str, int]:
    """Subject -> fold, 1 to `n_folds`: the first by name is in fold 1, the second in fold 2, and so on in turn.

    Names are compared as text; those of the datasets that are read so have one length (`S005`, `P001`).
    """
    return {subject: 1 + i % n_folds for i, subject in enumerate(sorted(set(subjects)))}
