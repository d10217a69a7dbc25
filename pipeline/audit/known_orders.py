"""Which orders of labels are in use, and what labels become that were read by one and are written in another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pipeline.tables.labels import CODE_MAPS, canonical

__all__ = ["KNOWN_ORDERS", "OrderPair", "order_pairs"]

Codes = Mapping[int, str]


def _codes(names: str, first: int = 0) -> dict[int, str]:
    return {first + i: canonical(name) for i, name in enumerate(names.split())}


# Orders of public label files that are no presets of the option `codes`: write such a map into the option itself.
_OTHERS: dict[str, Codes] = {
    "ferplus-votes": _codes("neutral happiness surprise sadness anger disgust fear contempt"),
    "ckextended": _codes("anger disgust fear happiness sadness surprise neutral contempt"),
    "ck-plus-48": _codes("anger disgust fear happiness sadness surprise contempt"),
    "mafw": _codes("happiness sadness neutral anger surprise disgust fear contempt"),
    "mafw-alphabetical": _codes("anger disgust fear happiness neutral sadness surprise contempt"),
    "afew-emotion-fan": _codes("happiness anger disgust fear sadness neutral surprise"),
    "affectnet-short": _codes("anger surprise contempt happiness neutral fear sadness disgust"),
    "afed": {
        0: "neutral",
        1: "happiness",
        3: "surprise",
        4: "sadness",
        5: "disgust",
        6: "fear",
        9: "anger",
    },
}
KNOWN_ORDERS: dict[str, Codes] = {**CODE_MAPS, **_OTHERS}
"""Name -> code -> expression: the presets of the option `codes` first, then other orders of public label files."""


@dataclass(frozen=True)
class OrderPair:
    """Labels that were read by one order while the files are written in another.

    Parameters
    ----------
    read_by, written_in : names of the orders; `read_by` is empty where the labels were read by a map without a name
    meaning : label as it was read -> label that it is, of all labels that both orders have a code for
    """

    read_by: str
    written_in: str
    meaning: Mapping[str, str]


def order_pairs(labels: Collection[str], read_by: str | Codes | None = None) -> Iterator[OrderPair]:
    """The pairs of known orders under which `labels` mean something else, every meaning once.

    Parameters
    ----------
    labels : that occur: a pair is left out where one of them has no code in either order
    read_by : name or codes of the order that the labels were read by; None if they may have been read by any
    """
    readers = {read_by: KNOWN_ORDERS[read_by]} if isinstance(read_by, str) else {"": read_by} if read_by else None
    known: set[tuple[str, ...]] = {tuple(labels)}
    for reader, codes in (readers or KNOWN_ORDERS).items():
        for writer, written in KNOWN_ORDERS.items():
            meaning = {label: written[code] for code, label in codes.items() if code in written}
            if set(labels) <= meaning.keys() and (meant := tuple(meaning[label] for label in labels)) not in known:
                known.add(meant)
                yield OrderPair(reader, writer, meaning)
