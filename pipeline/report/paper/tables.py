"""All tables of a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

from pipeline.report.groups import Group
from pipeline.report.paper.ablations import ablation_tables
from pipeline.report.paper.latex import LatexTable, free_name
from pipeline.report.paper.recalls import recall_tables
from pipeline.report.paper.results import Uncertainty
from pipeline.report.paper.train_test import Differences, matrix_tables
from pipeline.report.paper.words import word_tables

__all__ = ["latex_tables"]


def latex_tables(
    groups: Sequence[Group],
    uncertainty: Uncertainty = "seeds",
    differences: Callable[[str, str], Differences] | None = None,
) -> list[LatexTable]:
    """Every table that the groups have numbers for, each with a name of its own.

    Parameters
    ----------
    groups : of `group_runs`
    uncertainty : printed after a score: the deviation over `seeds`, the 95 % `interval` over test images, `none`
    differences : of an encoder and a metric, as `matrix_tables` takes them
    """
    tables = chain(
        matrix_tables(groups, uncertainty, differences),
        recall_tables(groups, uncertainty),
        ablation_tables(groups, uncertainty),
        word_tables(groups),
    )
    return _with_own_names(tables)


def _with_own_names(tables: Iterable[LatexTable]) -> list[LatexTable]:
    """`a-b` and `a_b` are one name of a file: the second gets a number."""
    named: dict[str, LatexTable] = {}
    for table in tables:
        name = free_name(table.name, named)
        named[name] = replace(table, name=name)
    return list(named.values())
