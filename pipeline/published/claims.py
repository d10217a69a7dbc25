"""Reads the published values: each cell of a table with what has to be equal for a result to be compared with it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from pipeline.tables.labels import expressions

__all__ = ["ANY", "FILE", "Claim", "Paper", "PublishedSet", "published_claims", "published_papers"]

FILE, ANY = "FILE", "ANY"
"""Values of the option `pretrained`: some file of weights, or whatever it is, as the paper does not say."""

_TABLES = ("cafe.csv", "cliper.csv", "kefer.csv")
_METRICS = {"accuracy": "accuracy", "war": "accuracy", "uar": "uar"}
_Row = Mapping[str, str]


@dataclass(frozen=True)
class Paper:
    """A paper whose tables are shipped.

    Parameters
    ----------
    name : short, as the tables have it
    identifier : as `arXiv:2303.00193`
    notes : what is known to be odd about its values, a sentence each
    """

    name: str
    title: str
    authors: str
    year: int
    identifier: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PublishedSet:
    """A test set as a paper used it.

    Parameters
    ----------
    datasets : names of our datasets that it may be
    expressions : that its models predict, in canonical order
    n : scored images or clips; 0 where it is not known
    note : what is odd about it; may be empty
    options : of the layout that reads its images and labels; names that a layout does not have are of no effect
    """

    datasets: tuple[str, ...]
    expressions: tuple[str, ...]
    n: int
    note: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One cell of a published table.

    Parameters
    ----------
    method, backbone, train, test : as the paper names them
    metric : `accuracy`, `uar`, or `recall:EXPRESSION`
    value : a fraction in [0, 1]
    ours : our method; empty where none of ours is it, and then `note` says why
    recipe : METHOD/DATASET; `options` change it
    encoders : specs of encoders that are the paper's; none where the result depends on no encoder
    trains : names of our datasets that it was trained on
    test_set : what it was tested on
    note : about the method; may be empty
    train_options : of the layout of the train dataset, as `PublishedSet.options`
    """

    paper: str
    table: str
    method: str
    backbone: str
    train: str
    test: str
    metric: str
    value: float
    ours: str
    recipe: str
    options: Mapping[str, Any]
    encoders: tuple[str, ...]
    trains: tuple[str, ...]
    test_set: PublishedSet
    note: str
    train_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`CAFE, Table 1: cafe with resnet18`."""
        return f"{self.paper}, Table {self.table}: {self.method} with {self.backbone}"


@cache
def published_papers() -> Mapping[str, Paper]:
    """The papers by their short names."""
    plain = json.loads(_text("papers.json"))
    return {name: Paper(name, **{**fields, "notes": tuple(fields["notes"])}) for name, fields in plain.items()}


@cache
def published_claims() -> tuple[Claim, ...]:
    """Every cell of every table but means over test sets, in the order of the tables.

    Notes
    -----
    A mean hides which of its cells can be compared: the tables have them, and nothing is compared with them.
    """
    methods, sets = list(_rows("methods.csv")), list(_rows("test_sets.csv"))
    cells = [row for name in _TABLES for row in _rows(name) if row["test"] != "mean"]
    return tuple(_claim(row, methods, sets) for row in cells)


def _claim(row: _Row, methods: Sequence[_Row], sets: Sequence[_Row]) -> Claim:
    method = next(each for each in methods if _is_of(row, each))
    names = ("paper", "table", "method", "backbone", "train", "test")
    train_set = _set_of(row["paper"], row["train"], row["train"], sets)
    return Claim(
        **{name: row[name] for name in names},
        metric=_METRICS.get(row["metric"], row["metric"]),
        value=float(row["value"]) / 100,
        ours=method["ours"],
        recipe=method["recipe"],
        options=_options(method["options"]),
        encoders=tuple(method["encoders"].split()),
        trains=train_set.datasets,
        test_set=_set_of(row["paper"], row["test"], row["train"], sets),
        note=method["note"],
        train_options=train_set.options,
    )


def _is_of(row: _Row, method: _Row) -> bool:
    """Whether a row of methods.csv is about a cell: what it leaves empty is any."""
    same = all(method[name] in ("", row[name]) for name in ("paper", "table", "method", "backbone"))
    return same and row["train"].startswith(method["train"])


def _set_of(paper: str, test: str, train: str, sets: Sequence[_Row]) -> PublishedSet:
    row = next(each for each in sets if (each["paper"], each["test"]) == (paper, test) and each["train"] in ("", train))
    classes = expressions(7 if row["expressions"] == "7" else 8)
    return PublishedSet(
        tuple(row["datasets"].split()), classes, int(row["n"] or 0), row["note"], _options(row["options"])
    )


def _options(text: str) -> dict[str, Any]:
    return dict(_option(part) for part in text.split())


def _option(text: str) -> tuple[str, Any]:
    """`beta_div=0` -> a name and a number, truth value or text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _rows(name: str) -> Iterator[_Row]:
    return iter(csv.DictReader(_text(name).splitlines()))


def _text(name: str) -> str:
    return (files("pipeline.published") / name).read_text("utf-8")
