"""The section on audits: what they found in each dataset, and which test images heads know from their training."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.footnotes import DatasetFinding
from pipeline.report.formatting import percent
from pipeline.report.groups import Group
from pipeline.report.runs import Kind, ReportScore
from pipeline.report.views import TableView

__all__ = ["audit_tables"]


def audit_tables(groups: Sequence[Group], findings: Sequence[DatasetFinding]) -> list[TableView]:
    """The tables of the section; none where nothing was audited."""
    return [*_findings(findings), *_overlaps(groups)]


def _findings(findings: Sequence[DatasetFinding]) -> list[TableView]:
    rows = tuple((one.dataset, f"{one.text} {one.symbol}".strip()) for one in dict.fromkeys(findings))
    return [TableView("What was found in each dataset", ("Dataset", "Finding"), rows, prose=True)] if rows else []


def _overlaps(groups: Sequence[Group]) -> list[TableView]:
    """One row per train and test dataset, whatever the method: the images are the same."""
    pairs: dict[tuple[str, str], ReportScore] = {}
    for group in groups:
        if group.kind is not Kind.UNTRAINED:
            pairs |= {key: cell.first for key, cell in group.cells.items() if cell.first.near_overlap is not None}
    kinds = list(dict.fromkeys(kind for score in pairs.values() for kind in score.near_overlap or {}))
    if not pairs:
        return []
    return [
        TableView(
            "Test images that heads were trained or selected on: by bytes, and by each kind of equality of other files",
            ("Trained on", "Tested on", "n", "bytes", *kinds, "Share, in percent", "Left out"),
            tuple(_overlap_row(*key, score, kinds) for key, score in sorted(pairs.items())),
            n_headers=2,
        )
    ]


def _overlap_row(train: str, test: str, score: ReportScore, kinds: Sequence[str]) -> tuple[str, ...]:
    near = score.near_overlap or {}
    by_bytes = sum((score.overlap or {}).values())
    counts = [f"{near[kind]:,}" if kind in near else "not searched" for kind in kinds]
    share = percent(min(1.0, (by_bytes + sum(near.values())) / score.n), score.n)
    return (train, test, f"{score.n:,}", f"{by_bytes:,}", *counts, share, f"{score.excluded_overlap:,}")
