"""From records to a report: strings and tables in memory, for a stage to write where it likes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.errors import InputError
from pipeline.report.groups import group_runs
from pipeline.report.page import render_page
from pipeline.report.records import RunRecord, StoreRecord
from pipeline.report.tables import long_tables, metrics

__all__ = ["Report", "build_report"]


@dataclass(frozen=True)
class Report:
    """Everything that a report consists of.

    `html` is the whole page. `metrics` is nested plain JSON for DVC. `tables` are long tables for CSV files by name:
    `matrix`, `per_class`, `confusion`.
    """

    html: str
    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def build_report(runs: Iterable[RunRecord], stores: Iterable[StoreRecord], created: str) -> Report:
    """The report of every run given, whatever their order. Equal input gives equal bytes.

    Parameters
    ----------
    runs : one or more; each (encoder, method, train dataset, seed) at most once
    stores : the feature stores that the runs used; may be empty
    created : date shown on the page, as text: the caller's clock, not ours

    Raises
    ------
    InputError
        If there is no run, or one is given twice.
    MismatchError
        If runs that belong together disagree on their encoder, classes or test images.
    """
    groups = group_runs(runs)
    if not groups:
        raise InputError("expected at least one run to report on, found none. Run: fer-stage train, then evaluate")
    return Report(render_page(groups, list(stores), created), metrics(groups), long_tables(groups))
