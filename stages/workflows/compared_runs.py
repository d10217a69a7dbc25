"""Methods that are compared, and which units their heads have right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pipeline import records
from pipeline.errors import MismatchError
from pipeline.predict.head_folder import RUN
from pipeline.records import Scores
from pipeline.records.predictions import Predictions, read_predictions
from pipeline.report.cells import Cell
from pipeline.report.groups import Group, group_runs
from pipeline.report.runs import Kind, ReportRun, ReportScore, select_scores, shortened_list
from stages.errors import StageError
from stages.remedies import command_line
from stages.workspace import heads_below, scores_path

__all__ = ["Contender", "Place", "ScoredUnits", "contenders_of", "read_runs", "units_difference"]


@dataclass(frozen=True, eq=False)
class ScoredUnits:
    """Which of the scored units the heads of a method have right.

    Parameters
    ----------
    ids, labels : shape (U,)
    groups : shape (U,): who or what each unit is of; None where the table has neither subjects nor clips
    hits : shape (S, U): of each seed; a fraction where several folds scored one unit
    seeds : S of them; one of a method without randomness
    """

    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_] | None
    hits: npt.NDArray[np.float32]
    seeds: tuple[int, ...]

    def of_seeds(self, seeds: Sequence[int]) -> npt.NDArray[np.float32]:
        """The hits of some seeds."""
        return self.hits[[self.seeds.index(seed) for seed in seeds]]


class Place(NamedTuple):
    """Where methods are compared: a train dataset, empty where it is a part of their names, and a test dataset."""

    train: str
    dataset: str
    without_overlap: bool

    @classmethod
    def of(cls, cell: Cell, train: str) -> Self:
        """The place of a cell."""
        return cls(train, cell.first.dataset, cell.first.without_overlap)

    @property
    def text(self) -> str:
        """As messages have it."""
        test = f"{self.dataset} without overlap" if self.without_overlap else self.dataset
        return f"{self.train} -> {test}" if self.train else test


@dataclass(frozen=True, eq=False)
class Contender:
    """A method with its settings on the features of one encoder, which is compared with others.

    Parameters
    ----------
    name : as messages have it
    group : its runs
    train : the only dataset whose heads are meant; empty for all
    test : the only set of test rows that is meant; empty for all
    """

    name: str
    group: Group
    train: str = ""
    test: str = ""

    @property
    def is_random(self) -> bool:
        """Whether another seed gives another head."""
        return self.group.runs[0].record.is_random

    @property
    def is_trained(self) -> bool:
        """Whether it depends on a train dataset at all."""
        return self.group.kind is not Kind.UNTRAINED

    @property
    def cells(self) -> list[Cell]:
        """Its scores by train and test dataset."""
        cells = self.group.cells.values()
        return [cell for cell in cells if self.train in ("", cell.train) and self.test in ("", cell.test)]

    def cells_in(self, place: Place) -> list[Cell]:
        """Its scores in a place: one, or several where they are of several sets of rows.

        Where nothing is trained, or only one dataset is meant, the train dataset of the place has no effect.
        """
        is_fixed = bool(self.train) or not self.is_trained
        return [
            cell
            for cell in self.cells
            if (is_fixed or cell.train == place.train) and Place.of(cell, place.train) == place
        ]

    def unscored_seeds(self, cell: Cell) -> list[int]:
        """Seeds of scored runs that were trained as those of a cell, and have no score in it."""
        if not self.is_random:
            return []
        trained = {run.seed for run in self.group.runs if run.scores and run.trained_on == cell.train}
        return sorted(trained - set(cell.by_seed))

    def units(self, cell: Cell) -> ScoredUnits:
        """What its heads have right in a cell, of every seed.

        Raises
        ------
        MismatchError
            If two seeds were scored on other units.
        """
        of_seeds = [self._of_seed(cell, seed) for seed in sorted(cell.by_seed)]
        first = of_seeds[0]
        for seed, other in zip(sorted(cell.by_seed), of_seeds, strict=True):
            if problem := units_difference(first, other):
                raise MismatchError(f"{self.name} on {cell.test}: seed {seed} was scored on other units: {problem}")
        hits = np.concatenate([units.hits for units in of_seeds])
        return replace(first, hits=hits, seeds=tuple(sorted(cell.by_seed)))

    def _of_seed(self, cell: Cell, seed: int) -> ScoredUnits:
        scored = list(self._scored(cell, seed))
        parts = [_hits(_predictions(run, score), seed) for run, score in scored]
        if len(parts) == 1:
            return parts[0]
        return _joined(parts) if scored[0][1].fold else _averaged(parts, f"{self.name} on {cell.test}")

    def _scored(self, cell: Cell, seed: int) -> Iterator[tuple[ReportRun, ReportScore]]:
        """The heads of a seed with their scores: several where there are folds."""
        runs = [run for run in self.group.runs if run.seed == seed and self._has(run, cell)]
        for run in runs:
            if (run.trained_on, run.rows) == (runs[0].trained_on, runs[0].rows):  # the others give the same predictions
                yield from ((run, score) for score in run.scores if score.test == cell.test)

    def _has(self, run: ReportRun, cell: Cell) -> bool:
        is_trained_so = not self.is_trained or run.trained_on == cell.train
        return is_trained_so and any(score.test == cell.test for score in run.scores)


def read_runs(folders: Sequence[Path], datasets: Sequence[str]) -> tuple[list[ReportRun], list[str]]:
    """The runs at and below folders, with their scores on some datasets (all for none), and notes on what is left out.

    Raises
    ------
    StageError
        If a folder has no run, or none was scored.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not (below := heads_below(folder, RUN)):
            raise StageError(
                f"no trained run at {folder}: expected a folder with {RUN}, or with such folders below it",
                remedy=[("train", {"method": "METHOD", "dataset": "DATASET"})],
                purpose="first",
            )
        for path in below:
            found.setdefault(path.resolve(), path)
    remedy = {"runs": tuple(map(str, folders)), **({"datasets": tuple(datasets)} if datasets else {})}
    selection = select_scores(map(_read_run, found.values()), command_line("evaluate", remedy))
    runs = [
        replace(run, scores=tuple(score for score in run.scores if not datasets or score.dataset in datasets))
        for run in selection.runs
    ]
    if not any(run.scores for run in runs):
        where = f" on {', '.join(datasets)}" if datasets else ""
        raise StageError(f"expected scores{where} of the runs, found none", remedy=[("evaluate", remedy)])
    return runs, [*selection.left_out, *_without_scores(runs, datasets, remedy)]


def _without_scores(runs: Sequence[ReportRun], datasets: Sequence[str], remedy: Mapping[str, Any]) -> Iterator[str]:
    if unscored := [run.label for run in runs if not run.scores]:
        where = f" on {', '.join(datasets)}" if datasets else ""
        yield (
            f"Left out: {len(unscored):,} run{'' if len(unscored) == 1 else 's'} without scores{where}: "
            f"{shortened_list(unscored)}. To score them: {command_line('evaluate', remedy)}"
        )


def _read_run(folder: Path) -> ReportRun:
    """A run with its scores; its history and its weights are not read."""
    path = scores_path(folder)
    scores = records.read_scores(path, [("evaluate", {"runs": (str(folder),)})]) if path else Scores()
    return ReportRun.of(records.read_run(folder / RUN), (), scores, str(folder), str(path or ""))


def contenders_of(runs: Sequence[ReportRun], by: str) -> list[Contender]:
    """What is compared, in the order in which it is first named.

    Parameters
    ----------
    by : `method`, or `train`: each train dataset of a method is one by itself
    """
    order = {run.label: i for i, run in enumerate(runs)}
    groups = sorted(group_runs(runs), key=lambda group: min(order[run.label] for run in group.runs))
    several = len({group.encoder for group in groups}) > 1
    contenders = []
    for group in (group for group in groups if group.cells):
        name = f"{group.method} on {group.encoder}" if several else group.method
        if by == "method" or group.kind is Kind.UNTRAINED:
            contenders.append(Contender(name, group))
        else:
            trains = dict.fromkeys(cell.train for cell in group.cells.values())
            contenders += [Contender(f"{name}, trained on {train}", group, train) for train in trains]
    return contenders


def units_difference(first: ScoredUnits, second: ScoredUnits) -> str:
    """How the units of two scores differ; empty if they are the same, with their labels and groups, in one order."""
    same_groups = np.array_equal(np.asarray(first.groups, str), np.asarray(second.groups, str))
    if same_groups and np.array_equal(first.ids, second.ids) and np.array_equal(first.labels, second.labels):
        return ""
    ids, others = set(first.ids.tolist()), set(second.ids.tolist())
    for here, there, which in ((ids, others, "first"), (others, ids, "second")):
        if only := sorted(here - there):
            return f"{len(only):,} only in the {which}, such as {only[0]}"
    labels = dict(zip(first.ids.tolist(), first.labels.tolist(), strict=True))
    changed = [(id_, label) for id_, label in zip(second.ids, second.labels, strict=True) if labels[id_] != label]
    if changed:
        id_, label = changed[0]
        return f"{len(changed):,} have another label, such as {id_}: {labels[id_]} and {label}"
    if not np.array_equal(first.ids, second.ids):
        return "they are in another order"
    return "their subjects or clips differ"


def _predictions(run: ReportRun, score: ReportScore) -> Predictions:
    remedy = [("evaluate", {"runs": (run.label,), "datasets": (score.dataset,)})]
    return read_predictions(Path(run.scores_label).parent / score.predictions_file, score, remedy)


def _hits(predictions: Predictions, seed: int) -> ScoredUnits:
    scored = predictions.scored
    right = pc.equal(scored["label"], scored["prediction"]).to_numpy()
    hits = np.asarray(right, np.float32)[None]
    return ScoredUnits(predictions.ids, predictions.labels, predictions.groups, hits, (seed,))


def _joined(parts: Sequence[ScoredUnits]) -> ScoredUnits:
    """The units of all folds, each scored by the head of its own."""
    groups = (
        None if parts[0].groups is None else np.concatenate([part.groups for part in parts if part.groups is not None])
    )
    return ScoredUnits(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.labels for part in parts]),
        groups,
        np.concatenate([part.hits for part in parts], axis=1),
        parts[0].seeds,
    )


def _averaged(parts: Sequence[ScoredUnits], where: str) -> ScoredUnits:
    """Units that the heads of all folds scored: the share of heads that have each right."""
    for part in parts:
        if problem := units_difference(parts[0], part):
            raise MismatchError(f"{where}: heads of two folds were scored on other units: {problem}. Evaluate again")
    return replace(parts[0], hits=np.mean([part.hits for part in parts], axis=0, dtype=np.float32))
