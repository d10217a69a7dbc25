"""Requests of train, evaluate, report and head export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from stages.requests.fields import CONFIG, FolderOrBucket, Request, Texts
from stages.seeds import MOST_SEEDS, Seed

__all__ = ["EvaluateRequest", "ExportHeadRequest", "Grid", "ReportRequest", "RunFolders", "Seeds", "TrainRequest"]


def _run_folders(value: Any) -> Any:
    """One path, what `train` returned, or several of either."""
    if isinstance(value, str | Path):
        return (value,)
    if hasattr(value, "folders"):
        return tuple(value.folders)
    if isinstance(value, Iterable):
        return tuple(folder for item in value for folder in (item.folders if hasattr(item, "folders") else (item,)))
    return value


def _seeds(value: Any) -> Any:
    """One seed in place of several; a range, or an array of numpy, as a tuple."""
    if isinstance(value, int):
        return (value,)
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return tuple(islice(value, MOST_SEEDS + 1))  # no more are needed to refuse them
    return value


def _grid(value: Any) -> Any:
    return {name: _axis(name, values) for name, values in value.items()} if isinstance(value, Mapping) else value


def _axis(name: str, values: Any) -> Any:
    """The values of an option; ValueError if there are none, or it is one value and no sequence of them."""
    if hasattr(values, "tolist"):  # an array of numpy: its numbers as those of Python
        values = values.tolist()
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name}: expected several values, such as [1, 5]")
    values = dict(values) if isinstance(values, Mapping) else tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one value")
    return values


RunFolders = Annotated[tuple[Path, ...], Field(min_length=1), BeforeValidator(_run_folders)]


Seeds = Annotated[Sequence[Seed], Field(min_length=1, max_length=MOST_SEEDS), BeforeValidator(_seeds)]


Grid = Annotated[Mapping[str, Sequence[Any] | Mapping[str, Any]], BeforeValidator(_grid)]


@dataclass(frozen=True, config=CONFIG)
class TrainRequest(Request):
    """Train heads on a dataset's cached features; reads its train and validation splits and nothing else.

    Parameters
    ----------
    method : linear-probe, feature-mask, cafe, kefer, ..., or FILE.py:NAME of one's own
    dataset : what to train on; its validation split selects the epoch
    encoder : whose features; by default the first of params.yaml
    seeds : of weights, order and drops; by default `run.seeds` of params.yaml
    options : of the method
    grid : option -> values, or names of values -> values: a run for each combination
    recipe : settings of a paper, as cafe/raf-db
    prompts, text : prompt set of text heads, and the encoder of their text vectors; by default the features' own
    prune : remove the runs of seeds that are not named; those of variants stay
    curves : folder that gets each history as CURVES/[VARIANT/]seed-N.csv, too
    runs : folder of trained heads
    """

    method: str
    dataset: str
    _: KW_ONLY
    encoder: str | None = None
    seeds: Seeds | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    recipe: str = ""
    prompts: str | None = None
    text: str | None = None
    prune: bool = False
    curves: Path | None = None
    dry_run: bool = False
    features: FolderOrBucket = Path("features")
    runs: Path = Path("runs")
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, config=CONFIG)
class EvaluateRequest(Request):
    """Score trained heads on the test split of datasets, and keep the scores below runs/scores.

    Parameters
    ----------
    runs : folders of trained runs, or folders of such folders; in Python also what `train` returned
    datasets : by default `run.datasets` of params.yaml
    split : another one than the protocol's is scored and not kept; by default `protocol.test_split` of params.yaml
    exclude_overlap : leave rows out whose bytes the head was trained or selected on; they are counted
    method : FILE.py:NAME, the code of heads of a method of one's own that params.yaml does not name
    """

    runs: RunFolders
    _: KW_ONLY
    datasets: Texts = ()
    split: Literal["test", "val"] | None = None
    exclude_overlap: bool = False
    method: str | None = None
    dry_run: bool = False
    features: FolderOrBucket = Path("features")
    device: str = "auto"


@dataclass(frozen=True, config=CONFIG)
class ExportHeadRequest(Request):
    """Write a trained head, its record and its model card into one folder for other machines.

    Parameters
    ----------
    run : folder of a trained run, or of a head that was exported before
    out : new folder; one that holds anything but this very export is refused
    onnx : also head.onnx, for programs without PyTorch; needs the extra [onnx]
    encoder : with `onnx`, of heads that hold a part of their encoder, if it has another name here than in the run
    method : FILE.py:NAME of a method of your own, if params.yaml does not name it
    """

    run: Path
    out: Path
    _: KW_ONLY
    onnx: bool = False
    encoder: str | None = None
    method: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ReportRequest:
    """Gather all runs on one page, with tables for DVC; it needs no params.yaml.

    Parameters
    ----------
    runs : folder of trained heads
    reports : folder of the page and its tables
    """

    runs: Path = Path("runs")
    features: FolderOrBucket = Path("features")
    reports: Path = Path("reports")
    dry_run: bool = False
    follow_links: bool = False
