"""The file of a run's scores: an entry for each (dataset, split, with or without overlapping rows)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.atomic import write_bytes
from cache.lock import exclusive, lock_path
from pipeline.saved import SavedHead, read_saved
from pipeline.versions import stage_version
from stages.errors import StageError
from stages.workspace import scores_path

__all__ = ["drop_stale_scores", "head_identity", "read_scores", "scores_of", "write_scores"]

_WAIT_S = 60.0  # for another process that writes the same scores, which takes milliseconds


def head_identity(run: SavedHead) -> dict[str, str | int]:
    """What an entry must say to be of this head: `run_key` (empty in older runs), `head_sha256`, evaluate's version."""
    return {
        "run_key": str(run.record.get("run_key", "")),
        "head_sha256": hashlib.sha256(run.state).hexdigest(),
        "evaluate_version": stage_version("evaluate"),
    }


def read_scores(path: Path) -> list[dict[str, Any]]:
    """All entries of a scores.json, those of replaced heads included; none if there is no file.

    Raises
    ------
    StageError
        If the file is damaged.
    """
    try:
        entries = json.loads(path.read_bytes()) if path.is_file() else []
    except ValueError as error:
        raise StageError(f"{path} is damaged ({error}): delete it and evaluate again") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "dataset" in entry for entry in entries):
        raise StageError(f"{path} is damaged (expected a list of scores with a dataset): delete it and evaluate again")
    return entries


def scores_of(run: SavedHead, path: Path) -> list[dict[str, Any]]:
    """The entries of a scores.json that are of this head, by its run key and the digest of its weights."""
    identity = head_identity(run)
    return [entry for entry in read_scores(path) if {name: entry.get(name) for name in identity} == identity]


def write_scores(run: SavedHead, path: Path, scores: Sequence[Mapping[str, Any]]) -> int:
    """Put `scores` into a run's scores.json; entries of other datasets and splits stay, those of other heads go.

    Returns
    -------
    How many entries of a head that was replaced since were dropped.

    Raises
    ------
    StageError
        If the file that is there is damaged.
    """
    with exclusive(lock_path(path), _WAIT_S):  # another process may put scores of other datasets into it
        earlier = scores_of(run, path)
        n_stale = len(read_scores(path)) - len(earlier)
        by_identity = {_identity(score): score for score in [*earlier, *scores]}  # the later ones win
        write_bytes(path, json.dumps([by_identity[name] for name in sorted(by_identity)], indent=2).encode())
    return n_stale


def drop_stale_scores(folder: Path) -> None:
    """Remove the scores of a head that was replaced; those of a head that was trained again to the same stay."""
    path = scores_path(folder)
    if path is None or not path.is_file():
        return
    with exclusive(lock_path(path), _WAIT_S):
        if current := scores_of(read_saved(folder), path):
            write_bytes(path, json.dumps(current, indent=2).encode())
        else:
            path.unlink()


def _identity(score: Mapping[str, Any]) -> tuple[str, str, bool]:
    return str(score["dataset"]), str(score["split"]), score.get("excluded_overlap", 0) > 0
