"""One self-contained HTML page from the grouped runs, which needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.footnotes import AUDIT_LEGENDS, LEGEND, NEAR_LEGEND, OVERLAP_LEGEND, DatasetFinding
from pipeline.learning.metrics import METRICS
from pipeline.records import StoreSummary
from pipeline.report import page_tables, provenance
from pipeline.report.audits import audit_tables
from pipeline.report.comparison import comparison_sets
from pipeline.report.curves import curves_figure
from pipeline.report.figures import confusion_figure, overview_figure
from pipeline.report.groups import Group, dataset_columns, units_text
from pipeline.report.matrices import matrices
from pipeline.report.published import PublishedResult
from pipeline.report.published_tables import published_tables
from pipeline.report.runs import SPLIT_NAMES
from pipeline.report.views import TEXT_COLOR, Figure, TableView

__all__ = ["render_page"]


@dataclass(frozen=True)
class Card:
    """The section of one method on one encoder. `first_pairs` are the confusion matrices that are selected at first."""

    anchor: str
    method: str
    source: str
    note: str
    encoder_saw: bool
    data_legend: str
    confusion: Figure
    first_pairs: tuple[int, ...]
    curves: Figure | None
    scores: TableView
    recall: TableView
    confusions: tuple[TableView, ...]
    training: TableView

    @property
    def is_scored(self) -> bool:
        """Whether any run of the group was evaluated."""
        return bool(self.scores.rows)

    @property
    def figures(self) -> list[Figure]:
        """All figures of the card, for the page's data."""
        return [figure for figure in (self.confusion, self.curves) if figure is not None]


def render_page(
    groups: Sequence[Group],
    stores: Sequence[StoreSummary],
    created: str,
    split: str,
    notes: Sequence[str],
    evaluate_command: str,
    audits: Sequence[DatasetFinding] = (),
    published: Sequence[PublishedResult] = (),
) -> str:
    """The page as HTML. Equal input gives equal bytes.

    Parameters
    ----------
    groups : at least one
    stores : in any order
    created : when the report was made, as text for people
    split : of all scores of the groups; empty without any
    notes : what was left out or separated, one paragraph each
    evaluate_command : that scores all runs, for the note on those that were not evaluated; may be empty
    audits : what audits found in datasets
    published : cells beside the values of papers
    """
    tests = dataset_columns(groups)
    cards = [_card(group, f"result-{i}") for i, group in enumerate(groups, start=1)]
    sets = [each for each in comparison_sets([group for group in groups if group.cells]) if each.has_means]
    overview = [overview_figure(each, f"overview-{i}" if i else "overview") for i, each in enumerate(sets)]
    figures = [*overview, *(figure for card in cards for figure in card.figures)]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            created=created,
            n_runs=sum(len(group.runs) for group in groups),
            stand_ins=_stand_ins(groups, stores),
            cautions=[*notes, *_cautions(groups, evaluate_command)],
            images=f"{SPLIT_NAMES.get(split, split) or 'test'} {units_text(groups)}",
            units=units_text(groups),
            is_test=split in ("", "test"),
            overview=overview,
            headlines=page_tables.headlines(groups),
            summaries=page_tables.summary_tables(groups),
            matrices=matrices(groups, tests),
            text_color=TEXT_COLOR,
            metrics=METRICS,
            legend=LEGEND if any(group.encoder_saw for group in groups) else "",
            data_legend=". ".join(_data_legends(groups)),
            audit=audit_tables(groups, audits),
            published=published_tables(published),
            cards=cards,
            provenance=_provenance(groups, stores),
            figures={figure.id: figure.as_json() for figure in figures},
            plotly=Markup(get_plotlyjs()),
        )
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _card(group: Group, anchor: str) -> Card:
    def with_note(view: TableView) -> TableView:
        return replace(view, note=group.note)

    return Card(
        anchor=anchor,
        method=group.method,
        source=group.source,
        note=group.note,
        encoder_saw=group.encoder_saw,
        data_legend=". ".join(_data_legends([group])),
        confusion=confusion_figure(group, f"{anchor}-confusion"),
        first_pairs=_first_pairs(group),
        curves=curves_figure(group, f"{anchor}-curves"),
        scores=with_note(page_tables.scores_table(group)),
        recall=with_note(page_tables.recall_table(group)),
        confusions=tuple(with_note(view) for view in page_tables.confusion_tables(group)),
        training=with_note(page_tables.training_table(group)),
    )


def _first_pairs(group: Group) -> tuple[int, ...]:
    """Positions of the first cell within a dataset and of the first unseen one with the same train dataset."""
    cells = list(group.cells.values())
    within = group.within()[:1]
    unseen = (group.unseen(within[0].train) if within else []) or group.unseen()
    return tuple(cells.index(cell) for cell in (*within, *unseen[:1])) or tuple(range(len(cells[:1])))


def _stand_ins(groups: Iterable[Group], stores: Iterable[StoreSummary]) -> list[tuple[str, str]]:
    """Encoders and their notes; one with text of another encoder has several."""
    notes = {(group.encoder, group.note) for group in groups} | {
        (store.encoder, store.encoder_note) for store in stores
    }
    return sorted((encoder, note) for encoder, note in notes if note)


def _has_overlap(group: Group) -> bool:
    """Whether test images of the group overlap with train images, or this was not checked."""
    return any(cell.overlap != 0 for cell in group.cells.values())


def _has_near(group: Group) -> bool:
    """Whether an audit found test images of the group in what its heads were trained on."""
    return any(cell.near_overlap for cell in group.cells.values())


def _data_legends(groups: Sequence[Group]) -> Iterator[str]:
    """The legends of symbols that depend on the images and labels of the scores."""
    if any(map(_has_overlap, groups)):
        yield OVERLAP_LEGEND
    if any(map(_has_near, groups)):
        yield NEAR_LEGEND
    found = {finding.symbol for group in groups for cell in group.cells.values() for finding in cell.audit}
    yield from (legend for symbol, legend in AUDIT_LEGENDS.items() if symbol in found)


def _cautions(groups: Sequence[Group], evaluate_command: str) -> list[str]:
    """Methods that were not evaluated yet, as a note."""
    missing = [f"{group.method} on {group.source}" for group in groups if not group.cells]
    if not missing:
        return []
    return [f"Not evaluated yet: {', '.join(missing)}{evaluate_command and f'. Run: {evaluate_command}'}"]


def _provenance(groups: Sequence[Group], stores: Sequence[StoreSummary]) -> dict[str, Any]:
    return {
        "stores": provenance.store_tables(stores),
        "tests": provenance.test_set_table(groups),
        "label_rules": provenance.label_rule_table(groups),
        "encoders": provenance.encoder_tables(groups),
        "features": provenance.feature_tables(stores),
        "configs": [provenance.config_table(group) for group in groups],
        "versions": provenance.version_table(groups),
    }
