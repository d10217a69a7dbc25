"""Many runs of one method: `--seeds 0-9` and `--grid lambda_sep=0.5,1.5,5`; the folder of each."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pipeline.learning.options import MethodConfig
from stages.errors import ParamsError
from stages.names import variant_name
from stages.params import LARGEST_SEED, Params, parse_method
from stages.workflows.tables import parse_options
from stages.workspace import Workspace

__all__ = ["Run", "Variant", "differing_settings", "parse_grid", "parse_seeds", "plan_runs", "seeds_of", "spread_text"]

_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?")
_MOST_SEEDS = 10_000  # of one command; each is a run


@dataclass(frozen=True)
class Variant:
    """One point of a grid: its options, and what tells it apart, `beta_div=5`; empty without a grid."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One head to train: its options, its seed, what sets it apart from the method's other runs, and where it goes.

    `variant` is a plain name: one folder of the path.
    """

    config: MethodConfig
    seed: int
    variant: str
    folder: Path


def plan_runs(given: Mapping[str, Any], params: Params, encoder: str, options: Mapping[str, Any]) -> tuple[Run, ...]:
    """Every point of the grid with every seed; with the first seed only, where all seeds give the same head.

    Parameters
    ----------
    given : the options of the command
    encoder : folder name of the features' encoder
    options : of the method, which the grid changes

    Raises
    ------
    ParamsError
        If seeds, grid or options are wrong, or text is named for a method that reads none.
    """
    workspace, seeds, text = Workspace(runs=given["runs"]), seeds_of(given, params), _text(given, params, encoder)
    runs = []
    for point in parse_grid(given["grid"]):
        config = parse_method(given["method"], {**options, **point.options})
        if not config.needs_text and (given["text"] or given["prompts"]):
            raise ParamsError(f"{config.method} reads no text: expected no --text and no --prompts. Leave them out")
        variant = variant_name(",".join(filter(None, (point.name, *text))))
        for seed in seeds if config.is_random else seeds[:1]:
            folder = workspace.run(encoder, config.method, given["dataset"], seed, variant)
            runs.append(Run(config, seed, variant, folder))
    _require_own_folders(runs)
    return tuple(runs)


def _require_own_folders(runs: Sequence[Run]) -> None:
    counts = Counter(run.folder for run in runs)
    if repeated := [str(folder) for folder, count in counts.items() if count > 1]:
        raise ParamsError(
            f"--grid: expected values that give each run a folder of its own, found several for {repeated[0]}. "
            "Train them one after the other, with --option and another --runs"
        )


def seeds_of(given: Mapping[str, Any], params: Params) -> tuple[int, ...]:
    """The seeds that a command names; by default those of params.yaml."""
    return tuple(dict.fromkeys(params.run.seeds)) if given["seeds"] is None else parse_seeds(given["seeds"])


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0`, `0-9` or `0,2,5-7` -> seeds, each once, in the order given.

    Raises
    ------
    ParamsError
        If a part is neither a whole number below 2 ** 32 nor a range that rises, or there are more than 10,000 seeds.
    """
    ranges = [_seed_range(part, text) for part in text.split(",")]
    if (n_seeds := sum(map(len, ranges))) > _MOST_SEEDS:
        raise ParamsError(f"--seeds {text!r:.100}: expected at most {_MOST_SEEDS:,} seeds, found {n_seeds:,}")
    return tuple(dict.fromkeys(itertools.chain(*ranges)))


def _seed_range(part: str, text: str) -> range:
    found = _RANGE.fullmatch(part.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
    if not first <= last <= LARGEST_SEED:
        raise ParamsError(
            f"--seeds {text!r:.100}: expected whole numbers and ranges, such as 0-9 or 0,2,5-7, none above "
            f"{LARGEST_SEED}"
        )
    return range(first, last + 1)


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
    return [Variant(",".join(chosen), parse_options(chosen, "--grid")) for chosen in itertools.product(*pairs)]


def _text(given: Mapping[str, Any], params: Params, encoder: str) -> list[str]:
    """What the command says of the text that params.yaml does not, as parts of a folder's name."""
    said = {"prompts": given["prompts"], "text": params.encoder(given["text"])[0] if given["text"] else ""}
    usual = {"prompts": params.prompts, "text": encoder}
    return [f"{name}={value}" for name, value in said.items() if value and value != usual[name]]


def differing_settings(
    scores: Sequence[dict[str, Any]], records: Sequence[Mapping[str, Any]]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Scores of runs grouped so that the runs of a group differ in their seed only.

    Parameters
    ----------
    scores : of one dataset
    records : run.json of each score's run

    Returns
    -------
    For each group what sets it apart from the others, such as `epochs 2, beta_div 1.0` (empty where there is one group
    only), and its scores, in the order given
    """
    settings = [_settings(record) for record in records]
    names = [name for name in dict.fromkeys(name for each in settings for name in each) if _differs(name, settings)]
    groups: dict[str, list[dict[str, Any]]] = {}
    for score, each in zip(scores, settings, strict=True):
        text = ", ".join(f"{name} {each.get(name, 'not recorded')}" for name in names)
        groups.setdefault(text, []).append(score)
    return list(groups.items())


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """What gives a head beside its seed: the parts of its run key, the options one by one."""
    parts = ("key", "rows", "classes", "text_key", "method_version")
    short = {name: str(record.get(name, ""))[:12] for name in ("key", "rows", "text_key")}
    shown = {name: short.get(name, record.get(name)) for name in parts if name in record}
    return {**record.get("config", {}), **shown}


def _differs(name: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    return len({json.dumps(each.get(name), sort_keys=True) for each in settings}) > 1


def spread_text(scores: Sequence[Mapping[str, float]], prefix: str) -> str:
    """Mean and sample standard deviation of accuracy and UAR over two or more seeds: `val accuracy 0.7123 ± 0.0041`."""
    parts = []
    for metric in ("accuracy", "uar"):
        values = [score[metric] for score in scores]
        parts.append(f"{prefix}{metric} {fmean(values):.4f} ± {stdev(values):.4f}")
    return f"{', '.join(parts)} over {len(scores)} seeds"
