"""The file of a run's scores: an entry for each (dataset, split, with or without overlapping rows)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.atomic import write_bytes
from cache.lock import SHORT_WAIT_S, exclusive, lock_path
from pipeline.errors import InputError
from pipeline.records import read_json
from pipeline.saved import SavedHead
from pipeline.tables.labels import EXPRESSIONS
from pipeline.versions import stage_version
from stages.errors import StageError
from stages.workspace import scores_path

__all__ = [
    "check_scores",
    "drop_stale_scores",
    "head_identity",
    "read_entries",
    "read_scores",
    "scores_of",
    "write_scores",
]

_AGAIN = "delete it and evaluate again"
# Scores of exported heads, by fer-stage of before these fields; such a score is of the head that it is beside.
_OLDER: dict[str, Any] = {
    "run_key": "",
    "head_sha256": "",
    "evaluate_version": 0,
    "store_key": "",
    "rows": "",
    "options": {},
    "dtype": "",
    "overlap": None,
    "excluded_overlap": 0,
}


def head_identity(record: Mapping[str, Any], sha256: str) -> dict[str, str | int]:
    """What an entry must hold to be of a head: `run_key` (empty in older runs), `head_sha256`, evaluate's version.

    Parameters
    ----------
    record : of the run
    sha256 : of its weights
    """
    return {
        "run_key": str(record.get("run_key", "")),
        "head_sha256": sha256,
        "evaluate_version": stage_version("evaluate"),
    }


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a scores.json of any version of fer-stage; none if there is no file. Only `dataset` is checked.

    Raises
    ------
    StageError
        If the file is damaged.
    """
    try:
        entries = read_json(path, f"Move it away: {_AGAIN}")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except InputError as error:
        raise StageError(str(error)) from error
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("dataset"), str) for entry in entries
    ):
        raise StageError(f"{path} is damaged (expected a list of scores with a dataset): {_AGAIN}")
    return entries


def read_scores(path: Path) -> list[dict[str, Any]]:
    """All entries of a scores.json, those of replaced heads included; none if there is no file.

    Raises
    ------
    StageError, InputError
        If the file is damaged, or a field of an entry is missing, impossible or contradicts another.
    """
    entries = read_entries(path)
    check_scores(entries, str(path), f"It is damaged: {_AGAIN}")
    return entries


def check_scores(entries: Sequence[Mapping[str, Any]], where: str, advice: str, *, exported: bool = False) -> None:
    """Refuse scores that nothing can have scored: InputError that names `where` and the field.

    Parameters
    ----------
    exported : scores of exported heads: the fields that identify a run may be missing
    """
    from pipeline.report import Score  # late: it brings pandas, which `train` needs no score for
    from pipeline.report.fields import Fields

    for i, entry in enumerate(entries):
        fields = Fields({**(_OLDER if exported else {}), **entry}, f"{where}, item {i}", advice)
        recalls = fields.fractions("per_class")
        classes = tuple(name for name in EXPRESSIONS if name in recalls)
        Score.from_fields(fields, classes).require_rates(fields)


def scores_of(run: SavedHead, path: Path) -> list[dict[str, Any]]:
    """The entries of a scores.json that are of this head, by its run key and the digest of its weights."""
    return _entries_of(head_identity(run.record, run.sha256), read_scores(path))


def _entries_of(identity: Mapping[str, str | int], entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in entries if {name: entry.get(name) for name in identity} == identity]


def write_scores(run: SavedHead, path: Path, scores: Sequence[Mapping[str, Any]]) -> int:
    """Put `scores` into a run's scores.json; entries of other datasets and splits stay, those of other heads go.

    Returns
    -------
    How many entries of a head that was replaced since were dropped.

    Raises
    ------
    StageError, InputError
        If the file that is there is damaged.
    MismatchError
        If the run has another head by now: its scores are not written.
    """
    with exclusive(lock_path(path), SHORT_WAIT_S):  # another process may put scores of other datasets into it
        entries = read_scores(path)
        earlier = _entries_of(head_identity(run.record, run.sha256), entries)
        n_stale = len(entries) - len(earlier)
        run.require_current()
        by_identity = {_identity(score): score for score in [*earlier, *scores]}  # the later ones win
        write_bytes(path, json.dumps([by_identity[name] for name in sorted(by_identity)], indent=2).encode())
    return n_stale


def drop_stale_scores(folder: Path, identity: Mapping[str, str | int]) -> None:
    """Remove the scores of a head that was replaced; those of a head that was trained again to the same stay.

    Parameters
    ----------
    folder : of the run
    identity : of the head that was just written; see `head_identity`
    """
    path = scores_path(folder)
    if path is None or not path.exists():
        return
    with exclusive(lock_path(path), SHORT_WAIT_S):
        if current := _entries_of(identity, read_entries(path)):
            write_bytes(path, json.dumps(current, indent=2).encode())
        else:
            path.unlink(missing_ok=True)  # another process may have removed it meanwhile


def _identity(score: Mapping[str, Any]) -> tuple[str, str, bool]:
    return str(score["dataset"]), str(score["split"]), score.get("excluded_overlap", 0) > 0
