"""The fold that a head is tested on, as run.json, head.json and scores.json have it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from pipeline.records.fields import Positive, Record
from pipeline.tables.fold import Fold

__all__ = ["FoldRecord"]


class FoldRecord(Record):
    """One of K folds of a dataset: see `pipeline.tables.fold.Fold`.

    Parameters
    ----------
    number : in [1, n], the fold that is tested on
    n : K, folds of the dataset
    source : `table`, those of the dataset itself, or `groups`, made of its groups
    """

    number: Positive
    n: Positive
    source: Literal["table", "groups"]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.number > self.n:
            raise ValueError(f"number: expected at most n, {self.n}, found {self.number}")
        return self

    @property
    def name(self) -> str:
        """As folders and reports have it."""
        return Fold(self.number, self.n, self.source).name
