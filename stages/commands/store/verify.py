"""fer-stage store verify: compare every byte of stores with what was written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    FiniteRange,
    device_option,
    folder_option,
    format_option,
    params_path_option,
    quiet_option,
)
from stages.errors import CheckFailedError
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import Place
    from pipeline.progress import OnProgress

__all__ = ["command"]

_TABLE_COLUMNS = ("store", "size", "seconds", "damage", "unread", "copies", "notes")
_PROBLEM_COLUMNS = ("kind", "where", "rows", "what", "advice")
_UNREAD_ADVICE = "The rows above say what was in the way; verify again without it"
_COPIES_ADVICE = "Delete the files above: they are made again when they are needed"
_DEEP_COLUMNS = ("store", "output", "view", "rows", "cosine", "expected", "relative", "expected_relative", "difference")


@click.command("verify")
@click.argument("stores", metavar="STORE...", nargs=-1, required=True)
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
@click.option("--root", help="With --deep: where the images are.  [default: as the sample table says]")
@click.option("--encoder", help="With --deep: the encoder, if its name means another one now.  [default: the store's]")
@folder_option("tables", "With --deep: folder of sample tables.")
@device_option
@params_path_option
@format_option
@quiet_option
def command(**given: Any) -> None:
    """Read each STORE whole, or all stores below a folder, and compare arrays, columns and every row with the manifest.

    This is the tool for bits: `extract` calls a store up to date by its manifest, without reading features. All
    problems are listed, and the exit code is 3 if one of them is damage, if a memory-mapped copy differs from its
    store, or if something was in the way of reading: the system, another program, a newer format. Files that are no
    part of a store are noted.
    """
    from cache.errors import RESTORE
    from stages.progress import shown_progress

    with shown_progress(quiet=given["quiet"]) as on_progress:
        records = [_record(path, given, on_progress) for path in _paths(given["stores"])]
    _echo(records, given["output_format"])
    damaged = [record["store"] for record in records if record["damage"] or not _deep_holds(record)]
    unread = [record["store"] for record in records if record["unread"] and record["store"] not in damaged]
    failures = []
    if damaged:
        bad = ", ".join(damaged)
        failures.append(f"{len(damaged)} of {len(records)} stores are not what was written: {bad}. {RESTORE}")
    if copies := [record["store"] for record in records if record["copies"]]:
        failures.append(f"memory-mapped copies are not what their stores hold: {', '.join(copies)}. {_COPIES_ADVICE}")
    if unread:
        names = ", ".join(unread)
        failures.append(f"{len(unread)} of {len(records)} stores could not be checked: {names}. {_UNREAD_ADVICE}")
    if failures:
        raise CheckFailedError(". ".join(failures))
    say("all stores hold what was written")


def _paths(words: tuple[str, ...]) -> list[Place]:
    """The stores that are meant; a name where none is finished is an error before any is read for hours."""
    from cache.errors import StoreMissingError
    from cache.store import open_store, store_exists
    from cache.upkeep.inventory import targets_below
    from stages.commands.store.formatting import place_of

    found: list[Place] = []
    for word in words:
        path = place_of(word)
        targets = targets_below(path)
        finished = [target for target in targets if store_exists(target)]
        if not finished:
            open_store(targets[0] if targets else path)
            raise StoreMissingError(f"no finished store below {path}")
        found += finished
    return found


def _record(path: Place, given: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from cache.upkeep.integrity import verify
    from cache.upkeep.inventory import size_of
    from pipeline.progress import Progress

    start = time.perf_counter()
    problems = verify(path, lambda done, n: on_progress(Progress(f"verify {path.name}", done, n)))
    damage, unread = sum(p.is_damage for p in problems), sum(p.is_unread for p in problems)
    copies = sum(p.is_copy for p in problems)
    deep: list[dict[str, Any]] = []
    if given["deep"] and not (damage or unread):  # damaged rows would be compared with what they should have been
        from stages.workflows.deep_verify import compared

        deep = compared(path, given)
    return {
        "store": str(path),
        "bytes": size_of(path),
        "seconds": round(time.perf_counter() - start, 3),
        "damage": damage,
        "unread": unread,
        "copies": copies,
        "notes": len(problems) - damage - unread - copies,
        "problems": [
            {
                "kind": problem.kind,
                "where": problem.where,
                "rows": [problem.rows.start, problem.rows.stop - 1] if problem.rows else None,
                "what": problem.what,
                "advice": problem.advice,
            }
            for problem in problems
        ],
        "deep": deep,
    }


def _deep_holds(record: dict[str, Any]) -> bool:
    """Comparisons with NaN do not hold."""
    return all(
        row["cosine"] >= row["expected"]
        and (row["expected_relative"] is None or row["relative"] <= row["expected_relative"])
        for row in record["deep"]
    )


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
    """The difference to 1 is what matters, and a table rounds to four digits."""
    return row | {name: f"{row[name]:.7f}" for name in ("cosine", "expected") if name in row}
