"""fer-stage store gc: remove temporary files, and on demand unreferenced stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import StoreType, follow_links_option, format_option, params_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import AnyPath
    from cache.upkeep.cleanup import Decision
    from stages.workflows.store_upkeep import GarbageCollection

__all__ = ["command"]

_COLUMNS = ("path", "kind", "bytes", "action", "reason")
_TABLE_COLUMNS = ("path", "size", "action", "reason")


@click.command("gc")
@click.argument("root", type=StoreType(), default="features")
@click.option("--unfinished", is_flag=True, help="Also remove the finished shards of stopped writers: hours of work.")
@click.option("--unreferenced", is_flag=True, help="Also remove stores to which nothing refers and that have no pin.")
@click.option("--dry-run", is_flag=True, help="Print the same, remove nothing.")
@params_option
@follow_links_option
@format_option
def command(
    root: AnyPath, unfinished: bool, unreferenced: bool, dry_run: bool, params: Path, output_format: str
) -> None:
    """Remove files of killed processes below ROOT (features by default), and memory-mapped copies without their store.

    Stores are removed only with --unreferenced, and only those that are not referenced: neither dvc.lock nor a .dvc
    file names the store or a folder above it, it is not in the matrix of params.yaml, no run was trained or scored on
    it, and it is not pinned. References are searched in the projects of the current folder and of ROOT; if other
    projects use the same ROOT, pin the stores that they need.
    """
    from stages.commands.store.formatting import human
    from stages.workflows.store_upkeep import collect_garbage

    done = collect_garbage(root, unfinished=unfinished, unreferenced=unreferenced, dry_run=dry_run, params=params)
    rows = [_row(decision, dry_run) for decision in done.decisions]
    table = [row | {"size": human(row["bytes"])} for row in rows] if output_format == "table" else rows
    echo_rows(table, output_format, _TABLE_COLUMNS if output_format == "table" else _COLUMNS)
    _summarise(done, unfinished, unreferenced)


def _row(decision: Decision, dry_run: bool) -> dict[str, Any]:
    candidate = decision.candidate
    action = ("remove" if dry_run else "removed") if decision.remove else "keep"
    return {
        "path": str(candidate.path),
        "kind": str(candidate.kind),
        "bytes": candidate.n_bytes,
        "action": action,
        "reason": decision.reason,
    }


def _summarise(done: GarbageCollection, unfinished: bool, unreferenced: bool) -> None:
    from stages.commands.store.formatting import human

    say(f"{done.n_removed} {'would be removed' if done.dry_run else 'removed'}, {human(done.freed_bytes)}")
    if done.unfinished_bytes and not unfinished:
        freed = human(done.unfinished_bytes)
        say(f"--unfinished would free {freed} more: shards of stopped writers, which resume from them")
    if not unreferenced:
        say("--unreferenced would also remove stores that nothing refers to")
