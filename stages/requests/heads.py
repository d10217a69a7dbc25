"""Requests of train, evaluate, report and head export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, field
from pathlib import Path
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from stages.names import FIGURES
from stages.requests.fields import (
    CONFIG,
    FolderOrBucket,
    Grid,
    OptionalFolds,
    OptionalNumbersOfFolds,
    OptionalPathLike,
    OptionalSeeds,
    PathLike,
    Request,
    RunFolders,
    Texts,
    default,
)

__all__ = ["EvaluateRequest", "ExportHeadRequest", "ReportRequest", "TrainRequest"]


@dataclass(frozen=True, config=CONFIG)
class TrainRequest(Request):
    """Train heads on cached features of datasets, on each alone; reads train and validation splits and nothing else.

    Parameters
    ----------
    method : linear-probe, feature-mask, cafe, kefer, ..., or FILE.py:NAME of one's own
    dataset : what to train on, one name or several; by default `run.train` of params.yaml
    encoder : whose features; by default the first of params.yaml
    seeds : of weights, order and drops; by default `run.seeds` of params.yaml
    fold : numbers of the folds that are tested on, each a run of its own: of those of the dataset, or of `folds`
    folds : how many folds there are, made by group where the dataset has none, each a run of its own unless `fold`
        chooses; or, as a range, which of those of the dataset; 0 for none. By default `run.folds` of params.yaml
    options : of the method
    grid : option -> values, or names of values -> values: a run for each combination; by default the grids that
        params.yaml has for the method
    recipe : settings of a paper, as cafe/raf-db
    prompts, text : prompt set of text heads, and the encoder of their text vectors; by default the features' own
    force : train again what is up to date, too
    prune : remove the runs of seeds and folds that are not named; those of variants stay. With a grid in params.yaml,
        all runs of the method on these datasets but its points
    curves : folder that gets each history as CURVES/[VARIANT/]seed-N.csv, too; unless one dataset is named, as
        CURVES/DATASET/[VARIANT/]seed-N.csv
    runs : folder of trained heads
    """

    method: str
    dataset: Texts = default(())
    _: KW_ONLY
    encoder: str | None = None
    seeds: OptionalSeeds = default(None)
    fold: OptionalFolds = default(None)
    folds: OptionalNumbersOfFolds = default(None)
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    recipe: str = ""
    prompts: str | None = None
    text: str | None = None
    force: bool = False
    prune: bool = False
    curves: OptionalPathLike = default(None)
    dry_run: bool = False
    features: FolderOrBucket = default(Path("features"))
    runs: PathLike = default(Path("runs"))
    device: str = "auto"
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, config=CONFIG)
class EvaluateRequest(Request):
    """Score trained heads on the test split of datasets, and write the scores below runs/scores.

    Parameters
    ----------
    runs : folders of trained runs, or folders of such folders; in Python also what `train` returned
    datasets : by default `run.test` of params.yaml, or all of `run.datasets` where it has none
    split : scores of another one than the protocol's are not written; by default `protocol.test_split` of params.yaml
    by : also the score of each scene, of datasets that have scenes
    exclude_overlap : leave rows out that the head was trained or selected on, by their bytes and by audits; they are
        counted
    prune : remove scores on other datasets, and those of runs below `runs` that are not there any more
    method : FILE.py:NAME, the code of heads of a method of one's own that params.yaml does not name
    audits : folder of what audits found; one of other tables than those of `tables` is not used
    """

    runs: RunFolders
    _: KW_ONLY
    datasets: Texts = default(())
    split: Literal["test", "val"] | None = None
    by: Literal["scene"] | None = None
    exclude_overlap: bool = False
    prune: bool = False
    method: str | None = None
    dry_run: bool = False
    features: FolderOrBucket = default(Path("features"))
    audits: PathLike = default(Path("audits"))
    tables: PathLike = default(Path("tables"))
    device: str = "auto"
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, config=CONFIG)
class ExportHeadRequest(Request):
    """Write a trained head, its record and its model card into one folder for other machines.

    Parameters
    ----------
    run : folder of a trained run, or of a head that was exported before
    out : new folder; one that holds anything but this very export is refused
    onnx : also head.onnx, for programs without PyTorch; needs the extra [onnx]
    encoder : with `onnx`, of heads that hold a part of their encoder, if it has another name here than in the run
    benchmarks : DATASET=OWNER/NAME[:TASK], each a test dataset that is a benchmark of the Hugging Face Hub: its score
        is also written as .eval_results/DATASET.yaml, for the benchmark's leaderboard. Nothing is uploaded
    method : FILE.py:NAME of a method of your own, if params.yaml does not name it
    """

    run: PathLike
    out: PathLike
    _: KW_ONLY
    onnx: bool = False
    encoder: str | None = None
    benchmarks: Texts = default(())
    method: str | None = None
    dry_run: bool = False
    params: PathLike = default(Path("params.yaml"))


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ReportRequest(Request):
    """Gather all runs on one page, with tables for DVC; it needs no params.yaml.

    Parameters
    ----------
    runs : folder of trained heads
    reports : folder of the page and its tables
    audits : folder of what audits found; one of other tables than those of `tables` is named only
    latex : also tables for a paper, REPORTS/latex/*.tex
    figures : also figures for a paper, in REPORTS/figures: names of `FIGURES`, or `all`; needs the extra [figures]
    significance : in the matrices of `latex`, underline scores of which no difference from the best can be seen, as
        `compare` tests it; it reads the predictions that evaluate keeps
    uncertainty : printed after a score in the LaTeX tables: its deviation over seeds, its 95 % interval over test
        images, or nothing
    """

    runs: PathLike = default(Path("runs"))
    features: FolderOrBucket = default(Path("features"))
    audits: PathLike = default(Path("audits"))
    tables: PathLike = default(Path("tables"))
    reports: PathLike = default(Path("reports"))
    latex: bool = False
    figures: Texts = default(())
    significance: bool = False
    uncertainty: Literal["seeds", "interval", "none"] = "seeds"
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.significance and not self.latex:
            raise ValueError("`significance` marks scores of `latex`: add it")
        if unknown := [name for name in self.figures if name not in (*FIGURES, "all")]:
            raise ValueError(f"`figures`: expected names among {', '.join(FIGURES)}, or all, found {unknown[0]!r}")
