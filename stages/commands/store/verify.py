"""fer-stage store verify: compare every byte of stores with what was written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    FiniteRange,
    StoreType,
    device_option,
    folder_option,
    format_option,
    params_option,
    quiet_option,
)
from stages.errors import CheckFailedError
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import AnyPath
    from cache.upkeep.problems import Problem
    from pipeline.progress import OnProgress
    from stages.workflows.deep_verify import SampleComparison

__all__ = ["command"]

_TABLE_COLUMNS = ("store", "size", "seconds", "damage", "unread", "copies", "notes")
_PROBLEM_COLUMNS = ("kind", "where", "rows", "what", "advice")
_UNREAD_ADVICE = "The reasons are above: remove them and verify again"
_COPIES_ADVICE = "Delete the files above: they are created again when they are needed"
_DEEP_COLUMNS = ("store", "output", "view", "rows", "cosine", "expected", "relative", "expected_relative", "difference")


@click.command("verify")
@click.argument("stores", metavar="STORE...", type=StoreType(), nargs=-1, required=True)
@click.option("--deep", is_flag=True, help="Also encode some images again, alone and in float32, and compare.")
@click.option(
    "--rows", type=click.IntRange(1), default=16, show_default=True, help="With --deep: images of each store."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="With --deep: chooses the images.")
@click.option(
    "--min-cosine",
    type=FiniteRange(0, 1),
    help="With --deep: of an image's stored and new feature, and nothing else.  [default: the cosine that extract "
    "measured, with tenfold slack, and its relative difference, with threefold slack]",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="With --deep: where the images are.  [default: as in the sample table]",
)
@click.option("--encoder", help="With --deep: the encoder, if its name means another one now.  [default: the store's]")
@folder_option("tables", "With --deep: folder of sample tables.")
@device_option
@params_option
@format_option
@quiet_option
def command(stores: tuple[AnyPath, ...], deep: bool, quiet: bool, output_format: str, **options: Any) -> None:
    """Read each STORE whole, or all stores below a folder, and compare arrays, columns and every row with the manifest.

    `extract` decides by the manifest alone that a store is up to date; this command reads the features. All problems
    are listed. The exit code is 3 if one of them is damage, if a memory-mapped copy differs from its store, or if
    something could not be read, because of the system, another program or a newer format. Files that are not part of
    a store are noted.
    """
    from stages.progress import progress_display

    compare = partial(_compare_sample, **options) if deep else None
    with progress_display(quiet=quiet) as on_progress:
        verified = [_verify(path, compare, on_progress) for path in _paths(stores)]
    _echo([one.as_record() for one in verified], output_format)
    _check(verified)
    say("all stores hold what was written")


def _compare_sample(path: AnyPath, **options: Any) -> list[SampleComparison]:
    from stages.workflows.deep_verify import DeepOptions, compare_sample  # late: they load an encoder's libraries

    return compare_sample(path, DeepOptions(**options))


@dataclass(frozen=True)
class _VerifiedStore:
    """Problems of one store, and the comparison of a sample of its rows."""

    path: AnyPath
    n_bytes: int
    seconds: float
    problems: Sequence[Problem]
    comparisons: Sequence[SampleComparison]

    @property
    def n_damage(self) -> int:
        return sum(problem.is_damage for problem in self.problems)

    @property
    def n_unread(self) -> int:
        return sum(problem.is_unread for problem in self.problems)

    @property
    def n_copies(self) -> int:
        return sum(problem.is_copy for problem in self.problems)

    @property
    def is_damaged(self) -> bool:
        return self.n_damage > 0 or not all(comparison.holds for comparison in self.comparisons)

    def as_record(self) -> dict[str, Any]:
        return {
            "store": str(self.path),
            "bytes": self.n_bytes,
            "seconds": round(self.seconds, 3),
            "damage": self.n_damage,
            "unread": self.n_unread,
            "copies": self.n_copies,
            "notes": len(self.problems) - self.n_damage - self.n_unread - self.n_copies,
            "problems": [
                {
                    "kind": problem.kind,
                    "where": problem.where,
                    "rows": [problem.rows.start, problem.rows.stop - 1] if problem.rows else None,
                    "what": problem.what,
                    "advice": problem.advice,
                }
                for problem in self.problems
            ],
            "deep": [asdict(comparison) for comparison in self.comparisons],
        }


def _check(verified: Sequence[_VerifiedStore]) -> None:
    """Raise CheckFailedError where a store is damaged, or could not be read."""
    from cache.errors import RESTORE

    n, failures = len(verified), []
    if damaged := [str(one.path) for one in verified if one.is_damaged]:
        failures.append(f"{len(damaged)} of {n} stores are not what was written: {', '.join(damaged)}. {RESTORE}")
    if copies := [str(one.path) for one in verified if one.n_copies]:
        failures.append(f"memory-mapped copies are not what their stores hold: {', '.join(copies)}. {_COPIES_ADVICE}")
    if unread := [str(one.path) for one in verified if one.n_unread and not one.is_damaged]:
        failures.append(f"{len(unread)} of {n} stores could not be checked: {', '.join(unread)}. {_UNREAD_ADVICE}")
    if failures:
        raise CheckFailedError(". ".join(failures))


def _paths(named: tuple[AnyPath, ...]) -> list[AnyPath]:
    """The stores at and below some paths; one without a finished store is an error before any is read for hours."""
    from cache.errors import StoreMissingError
    from cache.store import open_store, store_exists
    from cache.upkeep.inventory import targets_below

    paths: list[AnyPath] = []
    for path in named:
        targets = targets_below(path)
        finished = [target for target in targets if store_exists(target)]
        if not finished:
            open_store(targets[0] if targets else path)
            raise StoreMissingError(f"no finished store below {path}")
        paths += finished
    return paths


def _verify(
    path: AnyPath, compare: Callable[[AnyPath], list[SampleComparison]] | None, on_progress: OnProgress
) -> _VerifiedStore:
    from cache.upkeep.integrity import verify
    from cache.upkeep.inventory import size_of
    from pipeline.progress import Progress

    start = time.perf_counter()
    problems = verify(path, lambda done, n: on_progress(Progress(f"verify {path.name}", done, n)))
    # Damaged rows differ in any case.
    is_sound = not any(problem.is_damage or problem.is_unread for problem in problems)
    comparisons = compare(path) if compare and is_sound else []
    return _VerifiedStore(path, size_of(path), time.perf_counter() - start, problems, comparisons)


def _echo(records: list[dict[str, Any]], output_format: str) -> None:
    from stages.commands.store.formatting import human

    if output_format != "table":
        echo_rows(records, output_format)
        return
    echo_rows([record | {"size": human(record["bytes"])} for record in records], output_format, _TABLE_COLUMNS)
    for name, columns in (("problems", _PROBLEM_COLUMNS), ("deep", _DEEP_COLUMNS)):
        if rows := [{"store": record["store"], **_cosines_in_full(row)} for record in records for row in record[name]]:
            echo_rows(rows, output_format, columns)


def _cosines_in_full(row: dict[str, Any]) -> dict[str, Any]:
    """Cosines with seven digits: their difference to 1 matters, and a table rounds to four."""
    return row | {name: f"{row[name]:.7f}" for name in ("cosine", "expected") if name in row}
