"""What is known about a dataset of the field: its published counts, label codes, licence, traps and biases.

A reader in `layouts` has these as its attribute `facts`; `index`, `fer-stage datasets` and docs/datasets show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DatasetFacts", "PublishedCounts", "class_counts"]


def class_counts(names: str, *numbers: int) -> dict[str, int]:
    """Expression -> images, of names with spaces between them and one number each."""
    return dict(zip(names.split(), numbers, strict=True))


@dataclass(frozen=True)
class PublishedCounts:
    """How many images one release has, as published or as counted in its public label files.

    Parameters
    ----------
    release : distinguishes it from the other releases of the dataset: "aligned faces", "manual lists (2017)"
    labels : split (train, val, test; empty where the dataset has none) -> expression -> images
    totals : split -> images, where the counts of the expressions are not known
    options : options of the layout under which these counts hold, as {"rule": "majority"}; those left out do not matter
    source : where the figures are from, in words
    """

    release: str
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class DatasetFacts:
    """One dataset, in words that `fer-stage datasets` and its page in docs/datasets print.

    Parameters
    ----------
    title : as the field writes it: "RAF-DB (basic)"
    content : what the pictures are, in a sentence
    access : how to get it
    licence : in a sentence
    reference : the paper that introduced it
    label_codes : how the files write labels, and which code means what
    counts : of every release; `index` compares with them
    traps : what went wrong for others, a sentence each
    biases : known biases, a sentence each
    """

    title: str
    content: str
    access: str
    licence: str
    reference: str
    label_codes: str
    counts: tuple[PublishedCounts, ...] = ()
    traps: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()
