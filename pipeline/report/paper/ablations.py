"""Variants of one method that differ in its options: one table per encoder, method and metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.learning.metrics import METRICS
from pipeline.report.formatting import MISSING, flat
from pipeline.report.groups import Group, dataset_columns
from pipeline.report.paper.latex import LatexTable, file_stem
from pipeline.report.paper.results import Result, Uncertainty, block_of, result_of, uncertainty_text
from pipeline.report.paper.train_test import by_encoder, caption_of, cell_of, trained_on, trains_of

__all__ = ["ablation_tables", "variants_of", "varied_options"]


def ablation_tables(groups: Sequence[Group], uncertainty: Uncertainty) -> Iterator[LatexTable]:
    """Rows are the variants of a method by the options in which they differ, columns the test sets."""
    for encoder, members in by_encoder(groups).items():
        for method, variants in variants_of(members).items():
            for metric in METRICS:
                yield _table(file_stem("ablation", encoder, method, metric), method, variants, metric, uncertainty)


def variants_of(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Methods with several groups of runs, which differ in their settings."""
    members: dict[str, list[Group]] = {}
    for group in groups:
        members.setdefault(group.runs[0].record.method, []).append(group)
    return {method: variants for method, variants in members.items() if len(variants) > 1}


def varied_options(variants: Sequence[Group]) -> list[Mapping[str, str]]:
    """Of each variant the options in which any two of them differ, as text, the same names in one order.

    Where two variants have the same options (they differ in what was trained on, such as views), all have `variant`.
    """
    configs = [flat(variant.runs[0].record.config) for variant in variants]
    names = dict.fromkeys(name for config in configs for name in config)
    varied = [name for name in names if len({config.get(name, MISSING) for config in configs}) > 1]
    options: list[Mapping[str, str]] = [{name: config.get(name, MISSING) for name in varied} for config in configs]
    if len({tuple(each.values()) for each in options}) < len(options):
        return [{**each, "variant": group.method} for each, group in zip(options, variants, strict=True)]
    return options


def _table(name: str, method: str, variants: Sequence[Group], metric: str, uncertainty: Uncertainty) -> LatexTable:
    measure, options = METRICS[metric], varied_options(variants)
    tests = dataset_columns(variants)
    what = f"{measure.title} (%) of variants of {method}: {uncertainty_text(uncertainty, measure.interval is not None)}"
    cells = [cell for group in variants for cell in group.cells.values()]
    values = dict(zip(map(id, variants), options, strict=True))
    blocks = [
        block_of(
            [
                (
                    (train if i == 0 else "", *values[id(group)].values()),
                    _results(group, train, tests, metric, uncertainty),
                )
                for i, group in enumerate(trained_on(variants, train))
            ]
        )
        for train in trains_of(variants)
    ]
    return LatexTable(
        name,
        caption_of(what, variants, cells, "Bold: the best of a train dataset."),
        ("Train", *options[0], *tests),
        1 + len(options[0]),
        tuple(blocks),
    )


def _results(group: Group, train: str, tests: Sequence[str], metric: str, uncertainty: Uncertainty) -> list[Result]:
    cells = (cell_of(group, train, test) for test in tests)
    return [result_of([cell] if cell else [], metric, uncertainty) for cell in cells]
