"""Numbers and records as short plain text. Nothing here is markup: the template escapes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.footnotes import NEAR, NOT_CHECKED, OVERLAP, audit_footnotes, footnoted, near_footnote, overlap_footnote
from pipeline.report.cells import Cell, spread

__all__ = [
    "MISSING",
    "NO_COMMON_PAIR",
    "audit_text",
    "counts_text",
    "ece_text",
    "flat",
    "footnoted_text",
    "interval_text",
    "mean_scope",
    "number_text",
    "overlap_text",
    "percent",
    "points_text",
    "spread_text",
    "value_text",
    "with_footnotes",
]

MISSING = "—"
NO_COMMON_PAIR = "no common pair"
"""Instead of a mean, where the compared methods have no pair in common."""
# From here on one image is at most 0.01 %: a second decimal is meaningful.
TWO_DIGITS_FROM = 10_000


def percent(fraction: float | None, n: int = 0) -> str:
    """A fraction as percent without the sign: one decimal, two where `n` images warrant it; a dash for None."""
    if fraction is None:
        return MISSING
    return f"{100 * fraction:.{2 if n >= TWO_DIGITS_FROM else 1}f}"


def spread_text(cells: Sequence[Cell], metric: str) -> str:
    """The mean over the cells, with ± its deviation over seeds where there are several; a dash without cells."""
    if not cells:
        return MISSING
    measured, n = spread(cells, metric), min(cell.first.n for cell in cells)
    return percent(measured.mean, n) + ("" if measured.sd is None else f" ± {percent(measured.sd, n)}")


def footnoted_text(cells: Sequence[Cell], metric: str) -> str:
    """`spread_text` with the symbols of test data that the encoder or the heads were trained on."""
    return with_footnotes(spread_text(cells, metric), cells)


def with_footnotes(text: str, cells: Sequence[Cell]) -> str:
    """`text` with the symbols of its cells."""
    symbols = (overlap_text(cells), audit_text(cells))
    return " ".join(filter(None, (footnoted(text, any(cell.encoder_saw for cell in cells)), *symbols)))


def overlap_text(cells: Sequence[Cell]) -> str:
    """The symbols of test images that the heads were trained or selected on, by their bytes and by an audit; with
    their share for one cell."""
    symbols = [overlap_footnote(cell.overlap) for cell in cells]
    if len(cells) == 1:
        return f"{symbols[0]} {near_footnote(cells[0].near_overlap)}".strip()
    by_bytes = NOT_CHECKED if NOT_CHECKED in symbols else ""
    near = NEAR if any(cell.near_overlap for cell in cells) else ""
    return f"{OVERLAP if any(cell.overlap for cell in cells) else by_bytes} {near}".strip()


def audit_text(cells: Sequence[Cell]) -> str:
    """The symbols of what audits found in the datasets of any of the cells."""
    return audit_footnotes([finding for cell in cells for finding in cell.audit])


def mean_scope(n: int, n_own: int) -> str:
    """How many of the pairs that a method was scored on its mean is over, where that is not all: `(3 of 4 pairs)`."""
    return "" if n == n_own else f"({n} of {n_own} pair{'s' if n_own > 1 else ''})"


def ece_text(ece: float, expected: float | None) -> str:
    """An expected calibration error in percent, with that of a perfectly calibrated head of the same confidences."""
    return percent(ece) if expected is None else f"{percent(ece)} (perfect head: {percent(expected)})"


def points_text(difference: float | None) -> str:
    """A difference of fractions as signed percentage points; a dash for None."""
    return MISSING if difference is None else f"{100 * difference:+.1f}"


def interval_text(bounds: tuple[float, float], n: int) -> str:
    """Bounds in percent."""
    return " to ".join(percent(bound, n) for bound in bounds)


def number_text(value: float) -> str:
    """A number in at most five significant digits."""
    return f"{value:.5g}"


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts by name as one line; names without a count are left out, a dash if none is left."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or MISSING


def value_text(value: Any) -> str:
    """Any JSON value as one line."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value)) or MISSING
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text(inner)}" for name, inner in value.items()) or MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)


def flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested JSON objects as one level of dotted names and one-line values, in their order."""
    lines: dict[str, str] = {}
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value:
            lines |= flat(value, f"{prefix}{name}.")
        else:
            lines[f"{prefix}{name}"] = value_text(value)
    return lines
