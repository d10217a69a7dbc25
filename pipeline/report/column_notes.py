"""What a reader has to know of each test set: one note for each, which tooltips, matrices and a print refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.footnotes import footnoted
from pipeline.report.cells import Cell
from pipeline.report.distinctions import options_text
from pipeline.report.groups import Group
from pipeline.report.runs import NO_TRAINING, SPLIT_NAMES, Kind

__all__ = ["ColumnNote", "column_notes"]


@dataclass(frozen=True)
class ColumnNote:
    """The footnote `number` of a test set: `name` is that of its column, `facts` are short sentences."""

    number: int
    name: str
    facts: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"test-set-{self.number}"


def column_notes(groups: Sequence[Group], tests: Sequence[str]) -> dict[str, ColumnNote]:
    """The note of every test set that was scored, by name, numbered in the order of `tests`."""
    scored = {
        test: [(group, cell) for group in groups for cell in group.cells.values() if cell.test == test]
        for test in tests
    }
    return {
        test: ColumnNote(number, footnoted(test, any(cell.encoder_saw for _, cell in cells)), _facts(cells))
        for number, (test, cells) in enumerate(((test, cells) for test, cells in scored.items() if cells), start=1)
    }


_Scored = Sequence[tuple[Group, Cell]]


def _facts(scored: _Scored) -> tuple[str, ...]:
    score = scored[0][1].first
    dropped = f", {sum(score.dropped.values()):,} with another label" if score.dropped else ""
    folds = [f"folds: {score.folds}"] if score.folds else []
    return (
        f"N = {score.n:,} {score.unit}s, {score.rejected:,} rejected{dropped}",
        f"{SPLIT_NAMES.get(score.split, score.split)} split",
        *folds,
        f"labels: {options_text(score.options) or 'as the dataset has them, no options'}",
        _overlap(scored),
        *_near_overlap(scored),
        *([f"{score.excluded_overlap:,} overlapping {score.unit}s left out"] if score.excluded_overlap else []),
        f"selected on the validation split of the train dataset: {_by_methods(scored, _selection)}",
        f"seeds: {_by_methods(scored, _seeds)}",
        *dict.fromkeys(f"audit of {finding}" for _, cell in scored for finding in cell.audit),
    )


def _overlap(scored: _Scored) -> str:
    unit = scored[0][1].first.unit
    shares = [cell.overlap for group, cell in scored if group.kind is not Kind.UNTRAINED]
    if not shares:
        return f"no head was trained, so that no {unit} was trained on"
    known = [share for share in shares if share is not None]
    unchecked = "" if len(known) == len(shares) else f"; not checked for {len(shares) - len(known)} of {len(shares)}"
    if not known:
        return f"not checked whether train or validation {unit}s are among them"
    most = max(known)
    share = f"up to {100 * most:.2g} %" if most else "none"
    text = f"{share} of them, by their bytes, train or validation {unit}s of a head"
    return f"{text}{unchecked}"


def _near_overlap(scored: _Scored) -> list[str]:
    most = max(cell.near_overlap for _, cell in scored)
    return [f"up to {100 * most:.2g} % more show such a picture in another file, by an audit"] if most else []


def _selection(group: Group, cell: Cell) -> str:
    """What chose the weights of the heads of a cell."""
    if group.kind is Kind.UNTRAINED:
        return "nothing is trained"
    rules = {
        str(run.record.config.get("select_by", "")) for run in group.runs if cell.train in (run.trained_on, NO_TRAINING)
    }
    names = {"last": "last epoch", "": "by the method itself"}
    return " or ".join(names.get(rule, f"epoch or value by {rule}") for rule in sorted(rules))


def _seeds(_: Group, cell: Cell) -> str:
    return ", ".join(map(str, sorted(cell.by_seed)))


def _by_methods(scored: _Scored, fact: Callable[[Group, Cell], str]) -> str:
    """A fact once where all methods share it, else with the methods that it is of."""
    methods: dict[str, dict[str, None]] = {}
    for group, cell in scored:
        methods.setdefault(fact(group, cell), {})[group.method] = None
    return _once(methods)


def _once(methods: Mapping[str, Iterable[str]]) -> str:
    if len(methods) == 1:
        return next(iter(methods))
    return "; ".join(f"{fact} ({', '.join(names)})" for fact, names in methods.items())
