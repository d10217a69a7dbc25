"""The result of audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import CheckFailedError
from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.audit.findings import Finding
    from pipeline.audit.label_order import LabelOrderFinding
    from pipeline.audit.record import AuditRecord
    from pipeline.datasets.published import PublishedComparison

__all__ = ["AuditResult"]

_WHERE = ("within a split", "across splits", "across datasets")


@dataclass(frozen=True, eq=False)
class AuditResult(Result):
    """What is in several datasets, and in several splits.

    Parameters
    ----------
    datasets : that were compared
    n_rows : their usable rows
    findings : equal pictures by kind and place; people and clips in two splits
    pairs : one row per pair: `kind`, `distance` (bits, or 1 - cosine), `dataset`, `split`, `id`, `label` and `path` of
        both, `other_...` of the second, and `conflict`: whether their labels contradict each other
    groups : kind -> `groups` of rows that are equal by it or by a stricter kind, `rows` in them, and rows of the
        `largest`; of a near kind, groups of several pictures that pairs connect
    counts : pictures that were `decoded` now and those that are `undecodable`; pictures without contrast (`flat`) and
        without a feature (`no_feature`), which are in no near pair
    record : what `evaluate` and `report` read
    path : of the record (not written in a dry run)
    label_order : dataset -> whether its labels fit another order better; empty if that was not asked for
    kept_label_order : dataset -> the other order that its labels fit by an earlier audit of the same table, where this
        one did not judge them
    published : dataset -> its counts against those that are published of it
    notes : about tables that are outdated, and pictures that could not be compared
    """

    datasets: tuple[str, ...]
    n_rows: int
    findings: tuple[Finding, ...]
    pairs: pd.DataFrame
    groups: Mapping[str, Mapping[str, int]]
    counts: Mapping[str, int]
    record: AuditRecord
    path: Path
    label_order: Mapping[str, LabelOrderFinding] = field(default_factory=dict)
    kept_label_order: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, PublishedComparison] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per kind, split and other split: groups, rows (`pictures`), their share, and label conflicts."""
        import pandas as pd  # late: `import stages` needs no pandas

        from pipeline.audit.findings import Finding

        columns = list(_as_row(Finding("", "", "", "", "", 0, 0, 0.0, 0, 0)))
        return pd.DataFrame([_as_row(finding) for finding in self.findings], columns=columns)

    def summary(self) -> Mapping[str, Any]:
        """Everything but the pairs: what was compared and how, findings, groups, and what could not be compared."""
        return {
            "datasets": list(self.datasets),
            "rows": self.n_rows,
            "kinds": {kind: dict(settings) for kind, settings in self.record.info.kinds.items()},
            "findings": [_as_row(finding) for finding in self.findings],
            "groups": {kind: dict(sizes) for kind, sizes in self.groups.items()},
            "pairs": len(self.pairs),
            "conflicts": int(self.pairs["conflict"].sum()),
            **self.counts,
            "label_order": {
                name: {**asdict(finding), "text": finding.text()} for name, finding in self.label_order.items()
            },
            "kept_label_order": dict(self.kept_label_order),
            "published": {name: comparison.as_json() for name, comparison in self.published.items()},
            "path": str(self.path),
        }

    def check(self) -> None:
        """Raise CheckFailedError if anything was found; the record is kept."""
        if sentences := list(self._sentences()):
            raise CheckFailedError(". ".join(sentences))

    def _sentences(self) -> Iterator[str]:
        pictures = [finding for finding in self.findings if finding.kind in self.record.info.kinds]
        if pictures:
            counts = {where: sum(one.pictures for one in pictures if one.where == where) for where in _WHERE}
            shown = ", ".join(f"{n:,} {where}" for where, n in counts.items() if n)
            yield f"rows with an equal or nearly equal picture: {shown}"
        if n := int(self.pairs["conflict"].sum()):
            yield f"{n:,} pairs have labels that contradict each other"
        for kind, what in (("subject", "people"), ("clip", "clips")):
            if n := sum(finding.groups for finding in self.findings if finding.kind == kind):
                yield f"{n:,} {what} are in two splits"
        for name, order in self.label_order.items():
            if order.is_suspicious:
                yield f"{name}: {order.text()}"
        for name, text in self.kept_label_order.items():
            yield f"{name}: {text}, by an earlier audit"


def _as_row(finding: Finding) -> dict[str, Any]:
    fields = asdict(finding)
    return {"kind": fields.pop("kind"), "where": finding.where, **fields}
