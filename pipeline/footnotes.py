"""Footnote symbols of scores whose test data the encoder or the head was trained on."""

from __future__ import annotations

__all__ = [
    "LEGEND",
    "MOSTLY_SEEN",
    "NEAR",
    "NEAR_LEGEND",
    "NOT_CHECKED",
    "OVERLAP",
    "OVERLAP_LEGEND",
    "SEEN_DOMAIN",
    "footnoted",
    "near_footnote",
    "overlap_footnote",
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
OVERLAP_LEGEND = (
    f"{OVERLAP} 8 %: so many of the scored images are, byte by byte, images that the head was trained or selected on; "
    f"from half of them on, the dataset does not count as unseen. {NOT_CHECKED}: this was not checked"
)
NEAR = "≈"
NEAR_LEGEND = (
    f"{NEAR} 5 %: so many of the scored images show, by an audit of the datasets, the same or nearly the same picture "
    "as an image that the head was trained or selected on, in a file of other bytes"
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


def _with_share(symbol: str, share: float) -> str:
    if not share:
        return ""
    percent = 100 * share
    return f"{symbol} {'< 1' if percent < 1 else format(percent, '.0f')} %"
