"""What `compare` does: the predictions of runs -> differences of methods, and their ranks."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.comparison import PairedHits, Ranking, holm, mean_score, paired_difference, rank_methods
from pipeline.errors import InputError, MismatchError
from pipeline.progress import OnProgress, Progress
from pipeline.report.cells import Cell
from pipeline.report.groups import Group
from pipeline.report.runs import NO_TRAINING
from stages.errors import StageError
from stages.requests import CompareRequest
from stages.results import ComparedPair, CompareResult
from stages.workflows.compare_notes import notes_of_methods, notes_of_place
from stages.workflows.compared_runs import (
    Contender,
    Place,
    ScoredUnits,
    contenders_of,
    read_runs,
    units_difference,
)

__all__ = ["compare", "compare_cells"]


@dataclass(frozen=True, eq=False)
class _Scored:
    """A method in one place."""

    contender: Contender
    cell: Cell
    units: ScoredUnits = field(repr=False)


def compare(request: CompareRequest, on_progress: OnProgress) -> CompareResult:
    """Compare every two methods in every place where both were scored.

    Raises
    ------
    StageError
        If there are not two methods with a place and a seed in common.
    MismatchError
        If methods were scored on different rows of one test dataset.
    """
    runs, notes = read_runs(request.runs, request.datasets)
    contenders = contenders_of(runs, request.by)
    _require_two(contenders)
    places = _places(contenders, request.by)
    pairs: list[ComparedPair] = []
    scores: dict[Place, dict[str, float]] = {}
    for done, place in enumerate(places):
        on_progress(Progress("test datasets", done, len(places)))
        scored = _scored_in(place, contenders)
        if len(scored) < 2:
            notes.append(
                f"Left out: {place.text}: of what is compared, {_names(contenders, place)} alone is scored there"
            )
            continue
        notes += notes_of_place(place, [one.cell for one in scored])
        notes += [
            f"Left out: {place.text}: {_seeds_text(seeds)} of {one.contender.name}, not scored there"
            for one in scored
            if (seeds := one.contender.unscored_seeds(one.cell))
        ]
        pairs += _pairs(place, scored, request.metric, notes)
        scores[place] = {
            one.contender.name: mean_score(one.units.labels, one.units.hits, request.metric) for one in scored
        }
    on_progress(Progress("test datasets", len(places), len(places)))
    if not pairs:
        reasons = "".join(f". {note}" for note in notes)
        raise StageError(
            "nothing to compare: expected two methods with a train dataset, a test dataset and a seed in common, found "
            f"none{reasons}"
        )
    return CompareResult(
        _corrected(pairs),
        request.metric,
        _ranking(contenders, scores),
        tuple(dict.fromkeys([*notes, *notes_of_methods(contenders)])),
    )


def compare_cells(groups: Sequence[Group], metric: str) -> tuple[tuple[ComparedPair, ...], tuple[str, ...]]:
    """Compare every two methods of a report in every cell that both have, under the names that the report has for them.

    Parameters
    ----------
    groups : on one encoder, each with a name of its own
    metric : `uar` or `accuracy`

    Returns
    -------
    pairs : corrected by Holm's method for all of them; scores of other rows of a dataset are in other cells, and are
        not compared
    notes : what was left out
    """
    contenders = [Contender(group.method, group) for group in groups]
    pairs: list[ComparedPair] = []
    notes: list[str] = []
    for test in sorted({cell.test for contender in contenders for cell in contender.cells}):
        of_test = [replace(contender, test=test) for contender in contenders]
        for place in _places(of_test, "method"):
            pairs += _pairs(place, _scored_in(place, of_test), metric, notes)
    return _corrected(pairs), tuple(dict.fromkeys(notes))


def _corrected(pairs: Sequence[ComparedPair]) -> tuple[ComparedPair, ...]:
    adjusted = holm([pair.difference.p for pair in pairs])
    return tuple(replace(pair, p_holm=float(p)) for pair, p in zip(pairs, adjusted, strict=True))


def _require_two(contenders: Sequence[Contender]) -> None:
    if len(contenders) > 1:
        return
    names = ", ".join(contender.name for contender in contenders) or "none"
    trains = sorted({cell.train for contender in contenders for cell in contender.cells})
    advice = " --by train compares what it was trained on" if len(trains) > 1 else ""
    raise StageError(
        f"expected two methods or more that were scored, found {names}; runs that differ in their seed and fold alone "
        f"are one method. Name runs of another method, too.{advice}"
    )


def _places(contenders: Sequence[Contender], by: str) -> list[Place]:
    """Where something was scored. Where a trained method was, others are compared with it, under its train dataset."""
    trained, others = (
        {
            Place.of(cell, "" if by == "train" else cell.train)
            for contender in contenders
            if contender.is_trained is is_trained
            for cell in contender.cells
        }
        for is_trained in (True, False)
    )
    with_trained = {place._replace(train="") for place in trained}
    return sorted(trained | {place for place in others if place._replace(train="") not in with_trained})


def _names(contenders: Sequence[Contender], place: Place) -> str:
    return ", ".join(contender.name for contender in contenders if contender.cells_in(place))


def _scored_in(place: Place, contenders: Sequence[Contender]) -> list[_Scored]:
    """The methods that were scored in a place, on the same units.

    Raises
    ------
    MismatchError
        If they are others: they have other images or labels, or another order.
    """
    cells = [(contender, cell) for contender in contenders for cell in contender.cells_in(place)]
    if len(cells) < 2:
        return []
    scored = [_Scored(contender, cell, contender.units(cell)) for contender, cell in cells]
    first = scored[0]
    for other in scored[1:]:
        problem = units_difference(first.units, other.units)
        if problem or other.cell.test != first.cell.test:
            raise MismatchError(
                f"{place.text}: expected all methods on the same rows, found {first.contender.name} on "
                f"{first.cell.test} with {len(first.units.ids):,} units, and {other.contender.name} on "
                f"{other.cell.test} with {len(other.units.ids):,}{problem and ': '}{problem}. {_advice(first, other)}, "
                "or name other datasets with --dataset"
            )
    return scored


def _advice(first: _Scored, other: _Scored) -> str:
    if first.cell.classes != other.cell.classes:
        n_first, n_other = len(first.cell.classes), len(other.cell.classes)
        return (
            f"{first.contender.name} predicts {n_first} expressions and {other.contender.name} {n_other}, and rows of "
            "others are left out: train both with the same `classes`"
        )
    return "Extract the dataset from one table for both and evaluate them again"


def _pairs(place: Place, scored: Sequence[_Scored], metric: str, notes: list[str]) -> list[ComparedPair]:
    pairs = []
    for first, second in itertools.combinations(scored, 2):
        hits, seeds = _hits(first, second, place, notes)
        if not seeds:
            continue
        try:
            difference = paired_difference(hits, metric, _rng(place, first, second, metric))
        except InputError as error:
            notes.append(f"Left out: {place.text}: {error}")
            continue
        pairs.append(
            ComparedPair(
                first=first.contender.name,
                second=second.contender.name,
                trained_on="" if place.train == NO_TRAINING else place.train,
                dataset=first.cell.test,
                unit=first.cell.first.unit,
                seen=not (first.cell.is_unseen and second.cell.is_unseen),
                seeds=seeds,
                difference=difference,
                p_holm=1.0,
            )
        )
    return pairs


def _hits(first: _Scored, second: _Scored, place: Place, notes: list[str]) -> tuple[PairedHits, tuple[int, ...]]:
    """The hits of the seeds that both have; no seed where they have none in common.

    A method whose heads are the same for every seed is paired with each seed of the other.
    """
    random = [one for one in (first, second) if one.contender.is_random]
    seeds = tuple(sorted(set.intersection(*(set(one.units.seeds) for one in random)))) if random else (0,)
    for one in random:
        if others := sorted(set(one.units.seeds) - set(seeds)):
            other = second if one is first else first
            notes.append(
                f"Left out: {place.text}: {_seeds_text(others)} of {one.contender.name}, which "
                f"{other.contender.name} does not have"
            )
    sides = [one.units.of_seeds(seeds) if one in random else one.units.hits[:1] for one in (first, second)]
    return PairedHits(first.units.labels, sides[0], sides[1], first.units.groups), seeds


def _seeds_text(seeds: Sequence[int]) -> str:
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"


def _rng(place: Place, first: _Scored, second: _Scored, metric: str) -> np.random.Generator:
    """Of two methods in one place: the same whatever else is compared."""
    text = repr((place, first.contender.name, second.contender.name, metric))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))


def _ranking(contenders: Sequence[Contender], scores: dict[Place, dict[str, float]]) -> Ranking | None:
    """Ranks of all methods over the test datasets; a dataset's score is the mean over the places that all have."""
    names = [contender.name for contender in contenders]
    by_dataset: dict[str, list[list[float]]] = {}
    for place, of_methods in scores.items():
        if len(of_methods) == len(names):
            by_dataset.setdefault(place.dataset, []).append([of_methods[name] for name in names])
    if not by_dataset:
        return None
    means = np.array([np.mean(rows, axis=0) for rows in by_dataset.values()])
    return rank_methods(names, means, np.random.default_rng(0))
