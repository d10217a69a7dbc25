"""The matrix of a paper: methods by train dataset, test sets as columns, and the mean over unseen ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell
from pipeline.report.comparison import ComparisonSet, comparison_sets
from pipeline.report.groups import Group, dataset_columns
from pipeline.report.paper.captions import (
    encoder_sentence,
    legends,
    seeds_sentence,
    selection_sentence,
    stand_in_sentence,
    test_sentence,
)
from pipeline.report.paper.latex import LatexTable, file_stem
from pipeline.report.paper.results import Result, Uncertainty, best_rank, block_of, result_of, uncertainty_text
from pipeline.report.runs import NO_TRAINING

__all__ = ["Differences", "by_encoder", "caption_of", "cell_of", "matrix_tables", "trained_on", "trains_of"]


_NamedResults = tuple[tuple[str, str], list[Result]]
_UNDERLINED = (
    " Underlined: no difference from the best can be seen (paired on the same images, units and seeds as sources of "
    "variance; 5 %, by Holm's method over all pairs of methods)."
)
_UNTESTED_MEANS = " Means are not tested."
Differences = Mapping[tuple[str, str, frozenset[str]], bool]
"""Train dataset, test set and two methods -> whether a difference of them can be seen. The train dataset is
`NO_TRAINING` where nothing that was trained was scored on the test set."""


def matrix_tables(
    groups: Sequence[Group],
    uncertainty: Uncertainty,
    differences: Callable[[str, str], Differences] | None = None,
) -> Iterator[LatexTable]:
    """A table per encoder and metric, of the methods that can be compared.

    Rows are blocks of one train dataset. A method that trains nothing is in every block, as its scores do not depend on
    one. The best of each block and column is bold.

    Parameters
    ----------
    differences : of an encoder and a metric: then those are underlined that are not seen to differ from the best
    """
    for encoder, members in by_encoder(groups).items():
        sets = comparison_sets(members)
        for number, comparison in enumerate(sets, start=1):
            for metric in METRICS:
                name = file_stem("matrix", encoder, metric, f"set {number}" if len(sets) > 1 else "")
                known = differences(encoder, metric) if differences and len(members) > 1 else None
                yield _matrix(name, comparison.groups, metric, uncertainty, known)


def by_encoder(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups with a score, by the name of their encoder."""
    members: dict[str, list[Group]] = {}
    for group in groups:
        if group.cells:
            members.setdefault(group.encoder, []).append(group)
    return members


def trains_of(groups: Sequence[Group]) -> tuple[str, ...]:
    """The datasets that any of the groups was trained on; `NO_TRAINING` alone where nothing was trained."""
    return tuple(sorted({train for group in groups for train in group.trains} - {NO_TRAINING})) or (NO_TRAINING,)


def trained_on(groups: Sequence[Group], train: str) -> list[Group]:
    """Those with a score of a head that was trained on a dataset, or on none."""
    return [group for group in groups if any(key[0] in (train, NO_TRAINING) for key in group.cells)]


def cell_of(group: Group, train: str, test: str) -> Cell | None:
    """The cell of a pair; of a method that trains nothing, that of the test set."""
    return group.cells.get((train, test)) or group.cells.get((NO_TRAINING, test))


def caption_of(what: str, groups: Sequence[Group], cells: Sequence[Cell], signs: str = "") -> str:
    """A caption: what is shown, then what a reader must know of it.

    Parameters
    ----------
    what : the first sentence
    signs : sentences on the signs of the table, before those of footnote symbols
    """
    sentences = (
        f"{what}.",
        stand_in_sentence(groups),
        test_sentence(groups, cells),
        encoder_sentence(groups),
        seeds_sentence(groups, cells),
        selection_sentence(groups),
        signs,
    )
    return " ".join(filter(None, sentences)) + legends(cells)


def _matrix(
    name: str, groups: Sequence[Group], metric: str, uncertainty: Uncertainty, differences: Differences | None
) -> LatexTable:
    tests, measure = dataset_columns(groups), METRICS[metric]
    blocks = {train: ComparisonSet(tuple(trained_on(groups, train))) for train in trains_of(groups)}
    means = {train: _mean_tests(block, train) for train, block in blocks.items()}
    has_mean = any(len(unseen) > 1 for unseen in means.values())
    rows = {
        train: _rows(block, train, tests, metric, uncertainty, has_mean=has_mean) for train, block in blocks.items()
    }
    signs = "Bold: the best of a train dataset."
    if differences is not None:
        signs += _UNDERLINED + (_UNTESTED_MEANS if has_mean else "") + _not_compared(rows, tests, differences)
        rows = {train: _tied(block, train, tests, differences) for train, block in rows.items()}
    if has_mean:
        listed = "; ".join(f"{train}: {', '.join(unseen) or 'none'}" for train, unseen in means.items())
        signs += f" Unseen mean: over the unseen test sets that all methods of a train dataset have ({listed})."
    what = f"{measure.title} (%): {uncertainty_text(uncertainty, measure.interval is not None)}"
    return LatexTable(
        name,
        caption_of(what, groups, [cell for group in groups for cell in group.cells.values()], signs),
        ("Train", "Method", *tests, *(["Unseen mean"] if has_mean else [])),
        2,
        tuple(map(block_of, rows.values())),
    )


def _mean_tests(block: ComparisonSet, train: str) -> list[str]:
    return [test for of, test in block.unseen_pairs if of in (train, NO_TRAINING)]


def _rows(
    block: ComparisonSet,
    train: str,
    tests: Sequence[str],
    metric: str,
    uncertainty: Uncertainty,
    *,
    has_mean: bool,
) -> list[_NamedResults]:
    rows: list[_NamedResults] = []
    for group in block.groups:
        cells = [cell_of(group, train, test) for test in tests]
        results = [result_of([cell] if cell else [], metric, uncertainty) for cell in cells]
        if has_mean:
            results.append(result_of(block.unseen(group, train), metric, uncertainty))
        rows.append(((train if not rows else "", group.method), results))
    return rows


def _tied(rows: list[_NamedResults], train: str, tests: Sequence[str], differences: Differences) -> list[_NamedResults]:
    """The rows with those results marked that were compared with all that are best, and differ from none."""
    marked = [(heads, list(results)) for heads, results in rows]
    for i, test in enumerate(tests):
        for row, found in _from_best(rows, train, i, test, differences):
            if all(differs is False for differs in found):
                results = marked[row][1]
                results[i] = replace(results[i], is_tied=True)
    return marked


def _not_compared(rows: Mapping[str, list[_NamedResults]], tests: Sequence[str], differences: Differences) -> str:
    """A sentence on results without a mark that were not compared with the best; empty if there is none."""
    names = [
        f"{block[row][0][1]}, trained on {train}, on {test}"
        for train, block in rows.items()
        for i, test in enumerate(tests)
        for row, found in _from_best(block, train, i, test, differences)
        if None in found
    ]
    return f" Not compared with the best: {'; '.join(names)}." if names else ""


def _from_best(
    rows: list[_NamedResults], train: str, column: int, test: str, differences: Differences
) -> Iterator[tuple[int, list[bool | None]]]:
    """Of each result that is not best: its row, and whether it differs from each that is best, None if not compared."""
    best = best_rank([results[column] for _, results in rows])
    leaders = [heads[1] for heads, results in rows if best is not None and results[column].rank == best]
    for row, (heads, results) in enumerate(rows):
        if leaders and heads[1] not in leaders and not results[column].is_missing:
            pairs = [frozenset({heads[1], leader}) for leader in leaders]
            yield (
                row,
                [differences.get((train, test, pair), differences.get((NO_TRAINING, test, pair))) for pair in pairs],
            )
