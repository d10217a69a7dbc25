"""Footnote symbols of scores: of test data that was trained on, and of datasets in which an audit found something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = [
    "AUDIT_LEGENDS",
    "FLAGGED",
    "LEGEND",
    "MISREAD",
    "MOSTLY_SEEN",
    "NEAR",
    "NOT_CHECKED",
    "OVERLAP",
    "SEEN_DOMAIN",
    "DatasetFinding",
    "audit_footnotes",
    "footnoted",
    "near_footnote",
    "near_legend",
    "one_picture",
    "overlap_footnote",
    "overlap_legend",
    "units_of",
]

SEEN_DOMAIN = "†"
LEGEND = (
    f"{SEEN_DOMAIN} seen domain: the encoder itself was trained on the train split of this dataset "
    "(of the sample: on other drawn people in the same styles)"
)
MOSTLY_SEEN = 0.5
"""Share of overlapping rows from which on a test set does not count as unseen."""
OVERLAP = "≡"
NOT_CHECKED = f"{OVERLAP} ?"
NEAR = "≈"

MISREAD = "‡"
FLAGGED = "§"
AUDIT_LEGENDS = {
    MISREAD: f"{MISREAD} by an audit, the labels of the dataset, or of the one that the head was trained on, fit "
    "another order than the one that they were read by: the score says nothing until they are read again",
    FLAGGED: f"{FLAGGED} by an audit, in the dataset, or in the one that the head was trained on, equal or nearly "
    "equal pictures have different labels, or people or clips are in two splits",
}
"""Symbol -> its legend, the most serious first."""


class DatasetFinding(NamedTuple):
    """What an audit found in a dataset as a whole, in a sentence.

    `symbol` marks the scores of the dataset and of heads that were trained on it: MISREAD or FLAGGED; empty for what
    is listed alone.
    """

    dataset: str
    text: str
    symbol: str = ""

    def __str__(self) -> str:
        return f"{self.dataset}: {self.text}"

    @staticmethod
    def of_score(findings: Iterable[DatasetFinding], test: str, train: str | None) -> tuple[DatasetFinding, ...]:
        """Those that mark a score on `test` of a head that was trained on `train`; None if it was not trained."""
        return tuple(finding for finding in findings if finding.symbol and finding.dataset in (test, train))


def units_of(units: Iterable[str]) -> str:
    """What scores are of, from the unit of each, `image` or `clip`: `images`, `clips`, or `images and clips`."""
    of_scores = set(units)
    return " and ".join(f"{unit}s" for unit in ("image", "clip") if unit in of_scores) or "images"


def one_picture(units: str) -> str:
    """`an image`, or `a frame` of clips: see `units_of`."""
    return {"clips": "a frame", "images and clips": "an image or a frame"}.get(units, "an image")


def overlap_legend(units: str = "images") -> str:
    """The meaning of OVERLAP beside scores of `images`, of `clips`, or of `images and clips`."""
    of_clips = " (of a clip one such frame is enough)" if "clips" in units else ""
    return (
        f"{OVERLAP} n %: n % of the scored {units} are, byte by byte, {units} that the head was trained or "
        f"selected on{of_clips}; from half of them on, the dataset does not count as unseen. {NOT_CHECKED}: this was "
        "not checked"
    )


def near_legend(units: str = "images") -> str:
    """The meaning of NEAR beside scores of `images`, of `clips`, or of `images and clips`."""
    return (
        f"{NEAR} n %: n % of the scored {units} show, by an audit of the datasets, the same or nearly the same "
        f"picture as {one_picture(units)} that the head was trained or selected on, in a file of other bytes"
    )


def footnoted(text: str, encoder_saw: bool) -> str:
    """`text`, followed by the symbol of a seen domain if the encoder was trained on the dataset's train split."""
    return f"{text} {SEEN_DOMAIN}" if encoder_saw else text


def overlap_footnote(share: float | None) -> str:
    """The symbol of a score with this share of overlapping rows; empty if none overlaps.

    Parameters
    ----------
    share : fraction in [0, 1]; None if it was not checked
    """
    return NOT_CHECKED if share is None else _with_share(OVERLAP, share)


def near_footnote(share: float) -> str:
    """The symbol of a score with this share of rows that an audit found in the head's training; empty if there is none.

    Parameters
    ----------
    share : fraction in [0, 1]
    """
    return _with_share(NEAR, share)


def audit_footnotes(findings: Sequence[DatasetFinding]) -> str:
    """The symbols of a score that these findings mark, each once; empty without any."""
    return " ".join(symbol for symbol in AUDIT_LEGENDS if any(finding.symbol == symbol for finding in findings))


def _with_share(symbol: str, share: float) -> str:
    if not share:
        return ""
    percent = 100 * share
    return f"{symbol} {'< 1' if percent < 1 else format(percent, '.0f')} %"
