"""Many runs of one method: `--seeds 0-9`, `--folds 5`, `--grid lambda_sep=0.5,1.5,5`; the folder of each."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml

from pipeline import records
from pipeline.learning.options import MethodConfig
from pipeline.tables.fold import Fold
from stages.errors import ParamsError
from stages.names import variant_name
from stages.params import Params, parse_method
from stages.requests import Grid, TrainRequest
from stages.workspace import Workspace
from stages.yaml_files import parse_options

__all__ = [
    "RunSpec",
    "Variant",
    "differing_settings",
    "grid_variants",
    "parse_grid",
    "plan_runs",
    "seeds_of",
    "spread_text",
]


@dataclass(frozen=True)
class Variant:
    """One point of a grid: its options, and what distinguishes it, `beta_div=5`; empty without a grid."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class RunSpec:
    """One head to train: its options, its seed, what sets it apart from the method's other runs, and where it goes.

    `variant` is a plain name: one folder of the path. It ends with the name of the fold where the run has one.
    """

    config: MethodConfig
    seed: int
    variant: str
    folder: Path
    fold: Fold | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing but its seed and its fold sets it apart from the method's other runs."""
        return self.variant == (self.fold.name if self.fold else "")


def plan_runs(
    request: TrainRequest,
    params: Params,
    encoder: str,
    dataset: str,
    options: Mapping[str, Any],
    fold: Fold | None = None,
) -> tuple[RunSpec, ...]:
    """Every point of the grid with every seed; with the first seed only, where all seeds give the same head.

    Parameters
    ----------
    encoder : folder name of the features' encoder
    dataset : one of the request
    options : of the method, which the grid changes
    fold : that all of the runs are of; None for the table's splits

    Raises
    ------
    ParamsError
        If grid or options are wrong, or text is named for a method that reads none.
    """
    workspace, seeds = Workspace(runs=request.runs), seeds_of(request, params)
    text_parts = _text_parts(request, params, encoder)
    runs = []
    for point in _points(request, params):
        config = parse_method(request.method, {**options, **point.options})
        if not config.needs_text and (request.text or request.prompts):
            raise ParamsError(f"{config.method} reads no text: expected no --text and no --prompts. Leave them out")
        variant = variant_name(",".join(filter(None, (point.name, *text_parts))))
        if fold:
            variant = ",".join(filter(None, (variant, fold.name)))
        for seed in seeds if config.is_random else seeds[:1]:
            folder = workspace.run(encoder, config.method, dataset, seed, variant)
            runs.append(RunSpec(config, seed, variant, folder, fold))
    _require_own_folders(runs)
    return tuple(runs)


def _points(request: TrainRequest, params: Params) -> list[Variant]:
    """Those of the request's grid; without one, of the grids that params.yaml has for the method."""
    grids = (request.grid,) if request.grid else params.grids(request.method) or ({},)
    if not request.grid and (both := sorted({name for grid in grids for name in grid} & request.options.keys())):
        raise ParamsError(
            f"--option {both[0]}: methods.{request.method}.grid of params.yaml has its values, too. Write --grid "
            f"{both[0]}=VALUE, which replaces that grid"
        )
    return [point for grid in grids for point in grid_variants(grid)]


def _require_own_folders(runs: Sequence[RunSpec]) -> None:
    counts = Counter(run.folder for run in runs)
    if repeated := [str(folder) for folder, count in counts.items() if count > 1]:
        raise ParamsError(
            f"--grid: expected values that give each run a folder of its own, found several for {repeated[0]}. "
            "Train them one after the other, with --option and another --runs"
        )


def seeds_of(request: TrainRequest, params: Params) -> tuple[int, ...]:
    """The seeds of a request, each once; by default those of params.yaml."""
    return tuple(dict.fromkeys(params.run.seeds if request.seeds is None else request.seeds))


def parse_grid(axes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`["beta_div=1,5.0", "sigmoid=true"]` -> `{"beta_div": {"1": 1, "5.0": 5.0}, "sigmoid": {"true": True}}`.

    Folders of runs are named after values as they are written here; the values are read as YAML.

    Raises
    ------
    ParamsError
        If an axis is not NAME=VALUE,VALUE,..., is repeated, or a value is no YAML.
    """
    grid: dict[str, dict[str, Any]] = {}
    for axis in axes:
        name, sign, values = axis.partition("=")
        texts = values.split(",")
        if not (name and sign and all(texts)) or name in grid:
            raise ParamsError(f"--grid {axis!r}: expected NAME=VALUE,VALUE,... with each name once, as beta_div=1,5")
        grid[name] = {text: parse_options([f"{name}={text}"], "--grid")[name] for text in texts}
    return grid


def grid_variants(grid: Grid) -> list[Variant]:
    """Every combination of the values of a grid; one variant without options where there is no grid.

    A value is named in the folder of its runs as the grid names it, else as YAML writes it.
    """
    axes = [[(name, text, value) for text, value in _by_text(name, values).items()] for name, values in grid.items()]
    return [
        Variant(
            ",".join(f"{name}={text}" for name, text, _ in point),
            {name: value for name, _, value in point},
        )
        for point in itertools.product(*axes)
    ]


def _by_text(name: str, values: Sequence[Any] | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(values, Mapping):
        return values
    try:
        return {_yaml_text(value): value for value in values}
    except yaml.YAMLError as error:
        kinds = ", ".join(dict.fromkeys(type(value).__name__ for value in values))
        raise ParamsError(
            f"grid: {name}: expected numbers, truth values, texts and lists of them, found {kinds}"
        ) from error


def _yaml_text(value: Any) -> str:
    """`5`, `0.5`, `true`, `5.0e-06`: what a params.yaml would have."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _text_parts(request: TrainRequest, params: Params, encoder: str) -> list[str]:
    """Prompt set and text encoder as parts of a folder's name, where they are not those of params.yaml."""
    requested = {"prompts": request.prompts, "text": params.encoder(request.text)[0] if request.text else ""}
    usual = {"prompts": params.prompts, "text": encoder}
    return [f"{name}={value}" for name, value in requested.items() if value and value != usual[name]]


def differing_settings(
    scores: Sequence[dict[str, float]], heads: Sequence[records.Run | records.Export]
) -> list[tuple[str, list[dict[str, float]]]]:
    """Scores of runs grouped so that the runs of a group differ in their seed only.

    Parameters
    ----------
    scores : on one dataset, by metric
    heads : record of each score's head

    Returns
    -------
    For each group what sets it apart from the others, such as `epochs 2, beta_div 1.0` (empty where there is one group
    only), and its scores, in the order given
    """
    settings = [_settings(record) for record in heads]
    names = [name for name in dict.fromkeys(name for each in settings for name in each) if _differs(name, settings)]
    groups: dict[str, list[dict[str, float]]] = {}
    for score, each in zip(scores, settings, strict=True):
        text = ", ".join(f"{name} {each.get(name, 'not recorded')}" for name in names)
        groups.setdefault(text, []).append(score)
    return list(groups.items())


def _settings(record: records.Run | records.Export) -> dict[str, Any]:
    """What gives a head beside its seed: the parts of its run key, the options one by one."""
    return {
        **record.config,
        "key": record.key[:12],
        "rows": record.rows[:12],
        "classes": list(record.classes),
        "text_key": record.text_key[:12],
        "method_version": record.method_version,
    }


def _differs(name: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    return len({json.dumps(each.get(name), sort_keys=True) for each in settings}) > 1


def spread_text(scores: Sequence[Mapping[str, float]], prefix: str, what: str = "seeds") -> str:
    """Mean and sample standard deviation over two or more seeds, or folds: `val accuracy 0.7123 ± 0.0041`.

    Parameters
    ----------
    scores : of each seed or fold, by metric
    """
    parts = []
    for metric in scores[0]:
        values = [score[metric] for score in scores]
        parts.append(f"{prefix}{metric} {fmean(values):.4f} ± {stdev(values):.4f}")
    return f"{', '.join(parts)} over {len(scores)} {what}"
