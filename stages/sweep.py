"""Many runs of one method: `--seeds 0-9` and `--grid lambda_sep=0.5,1.5,5`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from stages.errors import ParamsError
from stages.tables import parse_options

__all__ = ["Variant", "parse_grid", "parse_seeds", "spread_text"]

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Variant:
    """One point of a grid: its options, and their names as a folder is called; empty without a grid."""

    name: str
    options: Mapping[str, Any]


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0`, `0-9` or `0,2,5-7` -> seeds, each once, in the order given.

    Raises
    ------
    ParamsError
        If a part is neither a whole number nor a range that rises.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise ParamsError(f"--seeds {text!r}: expected whole numbers and ranges, such as 0-9 or 0,2,5-7")
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return tuple(dict.fromkeys(seeds))


def parse_grid(axes: Sequence[str]) -> list[Variant]:
    """`("lambda_sep=0.5,1.5", "sigmoid=true,false")` -> all four variants; one without options for no axes.

    Raises
    ------
    ParamsError
        If an axis is not NAME=VALUE,VALUE,... or stands twice.
    """
    points: dict[str, list[str]] = {}
    for axis in axes:
        name, sign, values = axis.partition("=")
        if not (name and sign and all(values.split(","))) or name in points:
            raise ParamsError(f"--grid {axis!r}: expected NAME=VALUE,VALUE,... with each name once, as beta_div=1,5")
        points[name] = list(dict.fromkeys(values.split(",")))
    pairs = [[f"{name}={value}" for value in values] for name, values in points.items()]
    return [
        Variant(",".join(chosen).replace("/", "-"), parse_options(chosen, "--grid"))
        for chosen in itertools.product(*pairs)
    ]


def spread_text(scores: Sequence[Mapping[str, float]], prefix: str) -> str:
    """Mean and sample standard deviation of accuracy and UAR over seeds: `val accuracy 0.7123 ± 0.0041, ...`."""
    parts = []
    for metric in ("accuracy", "uar"):
        values = [score[metric] for score in scores]
        deviation = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
        parts.append(f"{prefix}{metric} {fmean(values):.4f}{deviation}")
    return f"{', '.join(parts)} over {len(scores)} seeds"
