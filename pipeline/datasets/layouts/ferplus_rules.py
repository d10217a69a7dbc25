"""How ten annotators' votes become one label: the official rules of FER+ and plain argmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

__all__ = ["COLUMNS", "SOFT_RULES", "RuleName", "TieName", "distribution_of", "label_of_votes"]

COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "nf")
_NO_MAJORITY = "no majority"
_NO_DISTRIBUTION = "no clear distribution"
_NO_FACE = "unknown or not a face"
_TIE = "tie"
_N_EMOTIONS = 8

_Votes = tuple[int, ...]
RuleName = Literal["majority", "probability", "multi_target", "argmax", "argmax-8", "majority-10"]
TieName = Literal["first", "exclude"]


def label_of_votes(votes: _Votes, rule: RuleName, ties: TieName) -> tuple[str, str]:
    """What `rule` makes of one row.

    Parameters
    ----------
    votes : non-negative counts in the order of `COLUMNS`
    rule : majority, probability and multi_target are the official ones
    ties : what happens where two columns share the highest weight, which `majority` cannot meet: the first one in
        column order wins (neutral before all others, an emotion before unknown), or the row is left out

    Returns
    -------
    (label, ""), or ("", the reason why the row is left out)
    """
    weights, reason = _RULES[rule](votes)
    if reason:
        return "", reason
    if ties == "exclude" and weights.count(max(weights)) > 1:
        return "", _TIE
    winner = weights.index(max(weights))
    return (COLUMNS[winner], "") if winner < _N_EMOTIONS else ("", _NO_FACE)


def distribution_of(votes: _Votes, rule: RuleName, classes: Sequence[str]) -> tuple[float, ...] | None:
    """The share that `rule` gives each class of a row that has a label among `classes`: a soft target.

    The columns that the rule chooses count with their votes; unknown, not-a-face and what is not among `classes` are
    left out, and the rest is divided by its sum.

    Parameters
    ----------
    votes : non-negative counts in the order of `COLUMNS`
    rule : one of `SOFT_RULES`; every other one chooses a single label
    classes : expressions, in the order of the result

    Returns
    -------
    float64, one share per class, summing to 1; None if the rule is no soft one, or leaves the row out

    Notes
    -----
    The official training by `multi_target` treats the expressions chosen as equal; these are their shares of the votes,
    as the official reader computes them before.
    """
    if rule not in SOFT_RULES or not label_of_votes(votes, rule, "first")[0]:
        return None
    weights, _ = _RULES[rule](votes)
    chosen = [weights[COLUMNS.index(name)] for name in classes]
    return tuple(weight / sum(chosen) for weight in chosen) if any(chosen) else None


def _majority(votes: _Votes) -> tuple[_Votes, str]:
    """More than half of the votes that are left after single votes are dropped."""
    counted = _without_single_votes(votes)
    return counted, "" if 2 * max(counted) > sum(counted) else _NO_MAJORITY


def _probability(votes: _Votes) -> tuple[_Votes, str]:
    """Up to three emotions that together hold most of the votes, after single votes are dropped.

    Columns are chosen from the highest count down, equal ones together, until they hold three quarters of the votes or
    are three; unknown and not-a-face end the search, and count themselves only if they come first. The row is left
    out if the columns chosen hold no more than half of the votes, or are more than three.
    """
    counted = _without_single_votes(votes)
    chosen: dict[int, int] = {}
    for count in sorted(set(counted) - {0}, reverse=True):
        if 4 * sum(chosen.values()) >= 3 * sum(counted) or len(chosen) >= 3:
            break
        group = [column for column, votes_here in enumerate(counted) if votes_here == count]
        emotions = [column for column in group if column < _N_EMOTIONS]
        if len(emotions) < len(group):
            chosen |= dict.fromkeys(emotions or (() if chosen else group[:1]), count)
            break
        chosen |= dict.fromkeys(group, count)
    clear = 2 * sum(chosen.values()) > sum(counted) and len(chosen) <= 3
    return tuple(chosen.get(column, 0) for column in range(len(counted))), "" if clear else _NO_DISTRIBUTION


def _multi_target(votes: _Votes) -> tuple[_Votes, str]:
    """All columns with 30 % of the votes or more, after single votes are dropped.

    The row is left out if they hold no more than half of the votes.
    """
    counted = _without_single_votes(votes)
    chosen = tuple(count if count and 10 * count >= 3 * sum(counted) else 0 for count in counted)
    return chosen, "" if 2 * sum(chosen) > sum(counted) else _NO_DISTRIBUTION


def _argmax(votes: _Votes) -> tuple[_Votes, str]:
    """The column with most votes, all ten taking part."""
    return votes, ""


def _argmax_of_emotions(votes: _Votes) -> tuple[_Votes, str]:
    """The expression with most votes, however many are for unknown and not-a-face.

    A row without a vote for any expression is a tie of all eight.
    """
    return votes[:_N_EMOTIONS], ""


def _majority_of_ten(votes: _Votes) -> tuple[_Votes, str]:
    """More than half of all votes, single ones included."""
    return votes, "" if 2 * max(votes) > sum(votes) else _NO_MAJORITY


def _without_single_votes(votes: _Votes) -> _Votes:
    return tuple(count if count > 1 else 0 for count in votes)


_RULES: Mapping[RuleName, Callable[[_Votes], tuple[_Votes, str]]] = {
    "majority": _majority,
    "probability": _probability,
    "multi_target": _multi_target,
    "argmax": _argmax,
    "argmax-8": _argmax_of_emotions,
    "majority-10": _majority_of_ten,
}
SOFT_RULES = frozenset[RuleName]({"probability", "multi_target"})
