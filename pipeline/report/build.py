"""Records of runs and stores -> a report: strings and tables in memory, which a stage writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.errors import InputError
from pipeline.footnotes import DatasetFinding
from pipeline.records import StoreSummary
from pipeline.report.coverage import coverage_notes, feature_notes
from pipeline.report.distinctions import distinction_notes
from pipeline.report.folds import fold_notes
from pipeline.report.groups import Group, group_runs
from pipeline.report.page import PageTop, render_page
from pipeline.report.published import PublishedResult, Target, compare_with_published
from pipeline.report.published_tables import published_frame, published_tables
from pipeline.report.runs import ReportRun, select_scores
from pipeline.report.tables import long_tables, metrics
from pipeline.report.views import Section

__all__ = ["Report", "ReportContext", "build_report"]


@dataclass(frozen=True)
class Report:
    """The contents of a report.

    `html` is the whole page. `metrics` is nested plain JSON for DVC. `tables` are long tables for CSV files by name:
    `summary`, `cells`, `matrix`, `per_class`, `confusion`, and `published` where a paper has a value of one of the
    cells. `notes` list what was left out or separated, one or two sentences each; the page has them, too. `groups` is
    what all of it was made of.
    """

    html: str
    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class ReportContext:
    """What a report states beside what its runs and stores record; nothing of it is required.

    Parameters
    ----------
    left_out : notes on what the caller could not use
    evaluate_command : that scores all runs again, for notes and page
    audits : what audits found in datasets
    targets : published values to compare with
    texts : text key of runs -> templates of their prompts, as far as they are known
    sections : more sections of the page, below its matrices
    """

    left_out: Sequence[str] = ()
    evaluate_command: str = ""
    audits: Sequence[DatasetFinding] = ()
    targets: Sequence[Target] = ()
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sections: Sequence[Section] = ()


_NO_CONTEXT = ReportContext()


def build_report(
    runs: Iterable[ReportRun], stores: Iterable[StoreSummary], created: str, context: ReportContext = _NO_CONTEXT
) -> Report:
    """The report of all runs, whatever their order. Equal input gives equal bytes.

    Scores are shown of one split: test, or validation where nothing was scored on test.

    Parameters
    ----------
    runs : one or more; each (encoder, method, train dataset, seed) at most once
    stores : the feature stores that the runs used; may be empty
    created : date on the page, as text; an argument, so that equal input gives an equal page
    context : what else it states

    Raises
    ------
    InputError
        If there is no run, or two are of one method, train dataset and seed.
    MismatchError
        If runs that belong together disagree on their encoder or test images.
    """
    selection, stores = select_scores(runs, context.evaluate_command), list(stores)
    groups = group_runs([run.audited(context.audits) for run in selection.runs])
    if not groups:
        raise InputError("expected at least one run to report on, found none: train a head, and evaluate it")
    named = [run for group in groups for run in group.runs]
    notes = (
        *context.left_out,
        *selection.left_out,
        *distinction_notes(named),
        *fold_notes(named),
        *coverage_notes(groups),
        *feature_notes(groups, stores, context.evaluate_command),
    )
    results = compare_with_published(groups, context.targets, context.texts)
    top = PageTop(created, selection.split, notes, context.evaluate_command)
    html = render_page(groups, stores, top, context.audits, [*_published_section(results), *context.sections])
    published = {"published": published_frame(results)} if results else {}
    return Report(html, metrics(groups), long_tables(groups) | published, notes, tuple(groups))


def _published_section(results: Sequence[PublishedResult]) -> list[Section]:
    intro = (
        "Values of papers beside results of the same method, train and test dataset. A value is reproduced where it "
        "lies in the 95 % interval of ours; what differs otherwise than by chance is not compared, with every reason."
    )
    tables = tuple(published_tables(results))
    return [Section("published", "Published values", intro, tables)] if tables else []
