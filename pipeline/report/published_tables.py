"""The tables of published values beside ours: one for a CSV file, and one of each paper for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.published import Paper, published_papers
from pipeline.report.formatting import MISSING, interval_text, percent, points_text, with_footnotes
from pipeline.report.published import NOT_COMPARABLE, PublishedResult
from pipeline.report.views import TableView

__all__ = ["published_frame", "published_tables", "verdict_text"]

_DIGITS = 6
_COLUMNS = [
    *("paper", "identifier", "table", "published_method", "backbone", "published_train", "published_test", "metric"),
    *("encoder", "encoder_note", "method", "train", "test", "seeds", "n", "published_n"),
    *("published", "ours", "ours_low", "ours_high", "difference", "verdict", "reasons", "caveats"),
]


def published_frame(results: Sequence[PublishedResult]) -> pd.DataFrame:
    """One row per published value and result: scores are fractions, as in the other tables.

    `published_n` is empty where it is not known. `reasons` state why both cannot be compared, `caveats` what is odd
    about a value that is compared.
    """
    frame = pd.DataFrame([_row(result) for result in results], columns=_COLUMNS)
    return frame.astype({"published_n": "Int64"})


def published_tables(results: Sequence[PublishedResult]) -> list[TableView]:
    """A table of each paper, in percent, why results are not compared, and what is known of the values.

    None without a result.
    """
    papers = published_papers()
    names = list(dict.fromkeys(result.claim.paper for result in results))
    tables = [_table(papers[name], [result for result in results if result.claim.paper == name]) for name in names]
    notes = {(name, note): None for name in names for note in papers[name].notes}
    notes |= {
        (result.claim.paper, f"{_what(result, caveat)}."): None for result in results for caveat in result.caveats
    }
    notes_table = TableView("What is known of the published values", ("Paper", "Note"), tuple(notes), prose=True)
    return [*tables, *_reasons(results), notes_table] if tables else []


def verdict_text(result: PublishedResult) -> str:
    """`reproduced`, `lower by 2.3 points`, or `not comparable`."""
    if result.verdict in (NOT_COMPARABLE, "reproduced"):
        return result.verdict
    return f"{result.verdict} by {points_text(abs(result.difference)).lstrip('+')} points"


def _row(result: PublishedResult) -> dict[str, Any]:
    claim, group, cell = result.claim, result.group, result.cell
    return {
        **{name: getattr(claim, name) for name in ("paper", "table", "backbone", "metric")},
        "identifier": published_papers()[claim.paper].identifier,
        "published_method": claim.method,
        "published_train": claim.train,
        "published_test": claim.test,
        "encoder": group.encoder,
        "encoder_note": group.note,
        "method": group.method,
        "train": cell.train,
        "test": cell.test,
        "seeds": result.seeds,
        "n": result.n,
        "published_n": claim.test_set.n or None,
        "published": round(claim.value, _DIGITS),
        "ours": round(result.ours, _DIGITS),
        "ours_low": round(result.bounds[0], _DIGITS),
        "ours_high": round(result.bounds[1], _DIGITS),
        "difference": round(result.difference, _DIGITS),
        "verdict": result.verdict,
        "reasons": "; ".join(result.reasons),
        "caveats": "; ".join(result.caveats),
    }


def _table(paper: Paper, results: Sequence[PublishedResult]) -> TableView:
    return TableView(
        f"{paper.name} ({paper.identifier}, {paper.year}), in percent: published, ours as mean over seeds with 95 % "
        "interval, and what follows",
        (
            *("Table", "Published method", "Our method", "Encoder", "Trained on", "Tested on", "Metric"),
            *("Published", "Ours", "95 % interval", "Verdict", "n", "Seeds"),
        ),
        tuple(map(_view_row, results)),
        n_headers=7,
    )


def _reasons(results: Sequence[PublishedResult]) -> list[TableView]:
    """Every reason of every result that is not compared: too long for a column of the tables."""
    rows = [(*_names(result)[1:], "; ".join(result.reasons)) for result in results if result.reasons]
    columns = ("Our method", "Encoder", "Trained on", "Tested on", "Metric", "Reasons")
    return [TableView("Why results are not compared", columns, tuple(rows), n_headers=5, prose=True)] if rows else []


def _view_row(result: PublishedResult) -> tuple[str, ...]:
    scores = (f"{100 * result.claim.value:.2f}", percent(result.ours, result.n), interval_text(result.bounds, result.n))
    return (result.claim.table, *_names(result), *scores, verdict_text(result), f"{result.n:,}", str(result.seeds))


def _names(result: PublishedResult) -> tuple[str, ...]:
    """The published method, ours, its encoder, train and test dataset, and the metric."""
    claim, cell = result.claim, result.cell
    source = f"{result.group.source} (stand-in)" if result.group.note else result.group.source
    methods = (f"{claim.method}, {claim.backbone}", result.group.method, source)
    return (*methods, cell.train, with_footnotes(cell.test, [cell]), claim.metric)


def _what(result: PublishedResult, caveat: str) -> str:
    return f"{result.claim.test or MISSING}, {result.claim.method}: {caveat}"
