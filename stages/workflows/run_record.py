"""Whether the folder of a run holds the head that would be trained now.

Each field of run.json is one of three kinds:

identity   what makes the head, and what follows from it: where one differs, the head is trained again
statement  what is noted of the request and its inputs: rewritten without training where it differs
outcome    what training gave, the device, the seconds and the library versions: kept as recorded

The device and the library versions are no part of the identity, as they are none of a run key: a head that was trained
on a GPU is up to date on a CPU.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.keys import differences
from pipeline import records
from pipeline.errors import PipelineError
from pipeline.predict.head_folder import HISTORY, RUN, WEIGHTS, read_weights
from pipeline.records.run import train_again
from pipeline.regular_files import MAX_JSON_BYTES

__all__ = ["FolderState", "folder_state"]

_PATHS_IN_CONFIG = ("pretrained",)  # the run key has the content of the file in the place of its path
_LONGEST_VALUE = 60  # of a field that a reason quotes


@dataclass(frozen=True)
class FolderState:
    """What is in the folder of a run.

    Parameters
    ----------
    record : its run.json as it would be written now; None if the head has to be trained
    is_current : whether the file already holds that record
    reason : why a head that is there is trained again; empty where there is none, or it is up to date
    """

    record: records.Run | None = None
    is_current: bool = False
    reason: str = ""


def folder_state(
    folder: Path, identity: Mapping[str, Any], statements: Mapping[str, Any], trained_on: str
) -> FolderState:
    """Whether the folder of a run holds the head that would be trained now, whole.

    The record must have every field of the identity, and weights and history must be those that it names: a folder that
    is being written, or whose writing was interrupted, holds none.

    Parameters
    ----------
    identity, statements : fields of run.json as they would be written now
    trained_on : the dataset that the head itself would name
    """
    path = folder / RUN
    if not path.exists():
        return FolderState()
    try:
        record = records.read_run(path)
        if reason := _changes(record, identity, trained_on) or _damage(folder, record):
            return FolderState(reason=reason)
        # Of the identity, paths of this machine may differ.
        now = {name: identity[name] for name in ("config", "method_code") if name in identity}
        current = type(record).model_validate({**record.as_json(), **now, **statements})
        return FolderState(current, is_current=current == record)
    except (PipelineError, OSError) as error:
        return FolderState(reason=str(error).rstrip("."))


def _changes(record: records.Run, identity: Mapping[str, Any], trained_on: str) -> str:
    """`config.lr was 0.1, is 0.2`: the fields of the identity that differ; empty if none does."""
    stated = record.as_json()
    now = _comparable({**identity, "head": {"dataset": trained_on}})
    before = _comparable({**{name: stated.get(name) for name in now}, "head": {"dataset": record.head.dataset}})
    changes = differences(before, now)
    named = {name: pair for name, pair in changes.items() if name != "run_key"} or changes
    return ", ".join(f"{name} was {_quoted(old)}, is {_quoted(new)}" for name, (old, new) in named.items())


def _comparable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON data without the paths of one machine: the run key has the content of the files instead."""
    plain: dict[str, Any] = json.loads(json.dumps(fields))
    plain["config"] = {name: value for name, value in plain["config"].items() if name not in _PATHS_IN_CONFIG}
    plain["method_code"] = (plain.get("method_code") or {}).get("sha256", "")
    return plain


def _damage(folder: Path, record: records.Run) -> str:
    """How weights or history are not those that the record names; empty if they are. What cannot be read is raised."""
    advice = train_again(record)
    contents = {WEIGHTS: (read_weights(folder, record), record.head_sha256)}
    contents[HISTORY] = (records.read_regular(folder / HISTORY, MAX_JSON_BYTES, advice), record.history_sha256)
    wrong = [name for name, (data, sha256) in contents.items() if hashlib.sha256(data).hexdigest() != sha256]
    return f"{' and '.join(wrong)} changed since the run was written" if wrong else ""


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
