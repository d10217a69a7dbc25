"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.tables.samples import SampleTable

__all__ = ["IndexResult", "ReportResult", "Result"]


class Result:
    """Base: `frame` is the result as a table, and what a notebook shows of it."""

    @property
    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The result as a table of pandas."""

    def _repr_html_(self) -> str:
        html: str = self.frame._repr_html_()  # type: ignore[operator]  # pandas' own hook for notebooks
        return html


@dataclass(frozen=True)
class IndexResult(Result):
    """A sample table, and where it was written (not in a dry run)."""

    table: SampleTable
    path: Path

    @property
    def frame(self) -> pd.DataFrame:
        """One row per image or frame, in the order of the table."""
        return self.table.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of rows by split and label, rejected ones by reason, and the path."""
        return {**self.table.summary(), "path": str(self.path)}


@dataclass(frozen=True)
class ReportResult(Result):
    """The report on all runs: where its page was written (not in a dry run), and its scores.

    Parameters
    ----------
    path : of the page; metrics.json and tables/*.csv are beside it
    scores : one row per encoder, method, train dataset, test dataset and seed: the table `matrix`
    notes : what was left out or separated, one or two sentences each
    n_runs : how many runs it is of
    """

    path: Path
    scores: pd.DataFrame
    notes: tuple[str, ...]
    n_runs: int

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run and test dataset: n, scores with their 95 % intervals, calibration error."""
        return self.scores

    def summary(self) -> Mapping[str, Any]:
        """The path of the page and the number of runs."""
        return {"path": str(self.path), "runs": self.n_runs}
