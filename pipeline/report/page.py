"""One self-contained HTML page from the grouped runs, which needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from pipeline.footnotes import (
    AUDIT_LEGENDS,
    LEGEND,
    DatasetFinding,
    footnoted,
    near_legend,
    one_picture,
    overlap_legend,
)
from pipeline.learning.metrics import METRICS
from pipeline.records import StoreSummary
from pipeline.report import page_tables, provenance
from pipeline.report.audits import audit_tables
from pipeline.report.charts.confusion import ConfusionView, confusions
from pipeline.report.charts.curves import N_STYLES, curves
from pipeline.report.charts.reliability import ReliabilityPanel, reliability_panels, reliability_table
from pipeline.report.charts.scores import Ranking, rankings
from pipeline.report.column_notes import ColumnNote, column_notes
from pipeline.report.comparison import comparison_sets
from pipeline.report.groups import Group, dataset_columns, units_text
from pipeline.report.matrices import matrices
from pipeline.report.runs import SPLIT_NAMES
from pipeline.report.views import TEXT_COLOR, CountsView, Section, TableView, background

__all__ = ["PageTop", "render_page"]


@dataclass(frozen=True)
class PageTop:
    """What the page states before its results.

    Parameters
    ----------
    created : when the report was made, as text for people
    split : of all scores; empty without any
    notes : what was left out or separated, one paragraph each
    evaluate_command : that scores all runs, for the note on those that were not evaluated; may be empty
    """

    created: str
    split: str
    notes: Sequence[str]
    evaluate_command: str


@dataclass(frozen=True)
class Card:
    """The section of one method on one encoder; its charts are in sections of their own."""

    anchor: str
    method: str
    source: str
    note: str
    means: tuple[str, ...]
    is_trained: bool
    is_scored: bool
    scores: TableView
    recall: TableView
    training: TableView
    reliability: tuple[ReliabilityPanel, ...]
    confusions: tuple[ConfusionView, ...]
    counts: CountsView


def render_page(
    groups: Sequence[Group],
    stores: Sequence[StoreSummary],
    top: PageTop,
    audits: Sequence[DatasetFinding] = (),
    sections: Sequence[Section] = (),
) -> str:
    """The page as HTML. Equal input gives equal bytes.

    Parameters
    ----------
    groups : at least one
    stores : in any order
    audits : what audits found in datasets
    sections : more of them, below the matrices
    """
    tests = dataset_columns(groups)
    test_notes = column_notes(groups, tests)
    sets = [each for each in comparison_sets([group for group in groups if group.cells]) if each.has_means]
    ranked = rankings(sets, test_notes)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            created=top.created,
            n_runs=sum(len(group.runs) for group in groups),
            stand_ins=_stand_ins(groups, stores),
            cautions=[*top.notes, *_cautions(groups, top.evaluate_command)],
            images=f"{SPLIT_NAMES.get(top.split, top.split) or 'test'} {units_text(groups)}",
            units=units_text(groups),
            one_picture=one_picture(units_text(groups)),
            is_test=top.split in ("", "test"),
            rankings=ranked,
            headlines=page_tables.headlines(groups),
            summaries=page_tables.summary_tables(groups),
            matrices=matrices(groups, tests),
            text_color=TEXT_COLOR,
            shades=[background(share / 100) for share in range(101)],
            metrics=METRICS,
            legends=_legends(groups),
            sections=[*sections, *_audit_section(groups, audits)],
            cards=[_card(group, f"result-{i}", ranked) for i, group in enumerate(groups, start=1)],
            curves=[each for group in groups for each in curves(group)],
            n_styles=N_STYLES,
            calibration=reliability_table(groups),
            provenance=_provenance(groups, stores),
            test_notes=list(test_notes.values()),
            note_of=_by_title(test_notes),
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


def _card(group: Group, anchor: str, ranked: Sequence[Ranking]) -> Card:
    means = [
        f"{METRICS[ranking.metric].title} in percent, means of {row.lane.about}"
        for ranking in ranked
        for row in ranking.rows
        if (row.method, row.source) == (group.method, group.source)
    ]
    return Card(
        anchor=anchor,
        method=group.method,
        source=group.source,
        note=group.note,
        means=tuple(means),
        is_trained=group.runs[0].is_trained,
        is_scored=bool(group.cells),
        scores=page_tables.scores_table(group),
        recall=page_tables.recall_table(group),
        training=page_tables.training_table(group),
        reliability=tuple(reliability_panels(group)),
        confusions=tuple(confusions(group)),
        counts=page_tables.confusion_counts(group),
    )


def _by_title(notes: dict[str, ColumnNote]) -> dict[str, ColumnNote]:
    """The notes by what columns are called, with and without the symbol of a seen domain."""
    return {footnoted(name, seen): note for name, note in notes.items() for seen in (False, True)}


def _audit_section(groups: Sequence[Group], audits: Sequence[DatasetFinding]) -> list[Section]:
    tables = audit_tables(groups, audits)
    intro = (
        "What audits found in the datasets, as they are now. A test image that the head has seen in training, or "
        "nearly, is answered from memory: a score with many of them is too high. Labels in another order, or another "
        "number of images than published, make every number of a dataset doubtful."
    )
    return [Section("audit", "Audit", intro, tuple(tables))] if tables else []


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


def _legends(groups: Sequence[Group]) -> list[str]:
    """The legends of the symbols that some score has."""
    seen = f"{LEGEND}. Such a dataset still counts as unseen for heads that were not trained on it"
    return [*([seen] if any(group.encoder_saw for group in groups) else []), *_data_legends(groups)]


def _data_legends(groups: Sequence[Group]) -> Iterator[str]:
    """The legends of symbols that depend on the images and labels of the scores."""
    if any(map(_has_overlap, groups)):
        yield overlap_legend(units_text(groups))
    if any(map(_has_near, groups)):
        yield near_legend(units_text(groups))
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
