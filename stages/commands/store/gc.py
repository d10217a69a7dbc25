"""fer-stage store gc: remove leftovers, and on demand stores that nobody needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import follow_links_option, format_option, params_path_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import Place
    from cache.upkeep.cleanup import Decision, Policy, References

__all__ = ["command"]

_COLUMNS = ("path", "kind", "bytes", "action", "reason")
_TABLE_COLUMNS = ("path", "size", "action", "reason")


@click.command("gc")
@click.argument("root", default="features")
@click.option("--unfinished", is_flag=True, help="Also remove the finished shards of stopped writers: hours of work.")
@click.option("--unreferenced", is_flag=True, help="Also remove stores to which nothing refers and that have no pin.")
@click.option("--dry-run", is_flag=True, help="Print the same, remove nothing.")
@params_path_option
@follow_links_option
@format_option
def command(
    root: str, unfinished: bool, unreferenced: bool, dry_run: bool, params_path: Path, output_format: str
) -> None:
    """Remove what killed processes left below ROOT (features by default), and memory-mapped copies that fit no store.

    A store is kept unless --unreferenced is given. Then it is kept if dvc.lock or a .dvc file names it or a folder
    above it, if it is in the matrix of params.yaml, if a run was trained or scored on it, or if it is pinned. Searched
    are the projects around the current folder and around ROOT; others that use the same ROOT pin what they need.
    """
    from cache.upkeep.candidates import candidates_below
    from cache.upkeep.cleanup import Policy, clean_up, decide
    from stages.commands.store.formatting import human, place_of

    where = place_of(root)
    policy = Policy(unfinished, _references(where, params_path) if unreferenced else None)
    decisions = [decision for found in candidates_below(where) if (decision := decide(found, policy))]
    done = decisions if dry_run else clean_up(decisions, policy)
    rows = [_row(decision, dry_run) for decision in done]
    shown = [row | {"size": human(row["bytes"])} for row in rows] if output_format == "table" else rows
    echo_rows(shown, output_format, _TABLE_COLUMNS if output_format == "table" else _COLUMNS)
    _summarise(done, policy, dry_run)


def _references(root: Place, params_path: Path) -> References:
    from stages.workflows.store_references import references

    return references(root, params_path)


def _row(decision: Decision, dry_run: bool) -> dict[str, Any]:
    found = decision.candidate
    action = ("remove" if dry_run else "removed") if decision.remove else "keep"
    return {
        "path": str(found.path),
        "kind": str(found.kind),
        "bytes": found.n_bytes,
        "action": action,
        "reason": decision.reason,
    }


def _summarise(decisions: list[Decision], policy: Policy, dry_run: bool) -> None:
    from cache.upkeep.candidates import Kind
    from stages.commands.store.formatting import human

    removed = [decision.candidate for decision in decisions if decision.remove]
    freed = human(sum(found.n_bytes for found in removed))
    say(f"{len(removed)} {'would be removed' if dry_run else 'removed'}, {freed}")
    left = [decision.candidate for decision in decisions if not decision.remove]
    work = sum(found.n_bytes for found in left if found.kind == Kind.BUILDING and not found.locked)
    if work and not policy.unfinished:
        say(f"--unfinished would free {human(work)} more: shards of stopped writers, which go on from there")
    if policy.references is None:
        say("--unreferenced would also remove stores that nothing refers to")
