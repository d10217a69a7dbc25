"""What `report` does: run folders and stores -> records -> files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache import Store
from cache.atomic import write_bytes
from cache.backends import BACKENDS
from cache.csv_cells import write_csv
from cache.places import Place
from cache.store import find_store, stands, store_path
from cache.writer import unfinished
from pipeline.records import read_regular
from pipeline.regular_files import MAX_JSON_BYTES
from pipeline.report import Report, RunRecord, StoreRecord, build_report
from pipeline.saved import HISTORY, RUN, WEIGHTS, read_record, read_saved
from pipeline.tables.samples import OK
from stages.errors import StageError
from stages.names import SCORES
from stages.workflows.scores_file import read_scores
from stages.workspace import heads_below, scores_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Records", "gather", "make_report", "write_report"]

_NAMED = 3


@dataclass(frozen=True)
class Records:
    """Everything that a report is made of. `left_out` says in words which files of scores belong to no run, and which
    stores are not here."""

    runs: list[RunRecord]
    stores: list[StoreRecord]
    left_out: tuple[str, ...] = ()


def gather(runs: Path, features: Place) -> Records:
    """All runs below a folder with their scores, and the stores that they were trained and tested on.

    Raises
    ------
    StageError
        If there is no run.
    """
    folders = heads_below(runs, RUN)
    if not folders:
        raise StageError(f"no trained runs below {runs}: expected run.json files. Run `fer-stage train` first")
    files = {folder: scores_path(folder) for folder in folders}
    records = [_read_run(folder, scores) for folder, scores in files.items()]
    used = {(run.encoder, name) for run in records for name in (run.dataset, *(score.dataset for score in run.scores))}
    here = [names for names in sorted(used) if _is_here(features, *names)]
    stores = [_store_record(find_store(features, *names)) for names in here]
    left_out = (
        *_without_head(folders),
        *_without_run(runs, folders, {path for path in files.values() if path}),
        *_without_store(features, sorted(used - set(here))),
    )
    return Records(records, stores, left_out)


def make_report(records: Records) -> Report:
    """The report in memory; nothing is written."""
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return build_report(records.runs, records.stores, created, records.left_out)


def write_report(report: Report, reports: Path) -> None:
    """index.html, metrics.json and tables/*.csv."""
    for name, table in report.tables.items():
        text = io.StringIO()
        write_csv(table, text)
        write_bytes(reports / "tables" / f"{name}.csv", text.getvalue().encode())
    write_bytes(reports / "metrics.json", json.dumps(report.metrics, indent=2).encode())
    write_bytes(reports / "index.html", report.html.encode())


def _is_here(features: Place, encoder: str, dataset: str) -> bool:
    """Whether anything of a store is here; runs and their scores are often taken elsewhere without the features."""
    paths = [store_path(features, encoder, dataset, backend) for backend in BACKENDS]
    return any(stands(path) or unfinished(path) for path in paths)


def _without_store(features: Place, absent: Sequence[tuple[str, str]]) -> Iterator[str]:
    if absent:
        names = _files([f"{encoder}/{dataset}" for encoder, dataset in absent], "store")
        yield (
            f"Left out: what is in {names}, not found below {features}. Scores are as they were recorded, and whether "
            "they are of the features of now was not checked"
        )


def _read_run(folder: Path, scores: Path | None) -> RunRecord:
    run = read_saved(folder).record if (folder / WEIGHTS).exists() else read_record(folder)
    return RunRecord.from_json(
        run,
        _history(folder / HISTORY, str(run.get("history_sha256", ""))),
        read_scores(scores) if scores else [],
        str(folder),
        str(scores or ""),
    )


def _without_head(folders: Sequence[Path]) -> Iterator[str]:
    """Runs and their scores are often taken elsewhere without the weights."""
    if absent := [str(folder / WEIGHTS) for folder in folders if not (folder / WEIGHTS).exists()]:
        yield (
            f"Not checked: {_files(absent)} of weights, not found beside the record: that scores are of the head is "
            "known by the digest in the record alone"
        )


def _without_run(runs: Path, folders: Sequence[Path], known: Set[Path]) -> Iterator[str]:
    """Files of scores that no run reads: the run is gone or was moved, or another version of fer-stage wrote them."""
    orphans = sorted(str(path) for path in (runs / SCORES).rglob("scores.json") if path not in known)
    if orphans:
        yield (
            f"Left out: {_files(orphans)} of scores without the run that they are of. Bring the runs back, or delete "
            "the scores"
        )
    if older := [str(path) for folder in folders if (path := folder / "scores.json").exists()]:
        yield (
            f"Left out: {_files(older)} of scores beside the runs, where an earlier version of fer-stage put them. "
            "Score the heads again: fer-stage evaluate --run runs; then delete these files"
        )


def _files(paths: Sequence[str], what: str = "file") -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{len(paths)} {what}{'' if len(paths) == 1 else 's'} ({', '.join(paths[:_NAMED])}{more})"


def _history(path: Path, sha256: str) -> list[dict[str, float | None]]:
    """The epochs of a run.

    Parameters
    ----------
    sha256 : of the file, as run.json has it; empty in older runs
    """
    expected = f"{path}: expected the table of epochs that train writes, found"
    again = "Run `fer-stage train` again for this run, then `fer-stage evaluate`"
    try:
        data = read_regular(path, MAX_JSON_BYTES, again)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StageError(f"{expected} no such file. {again}") from error
    try:
        table = csv.DictReader(io.StringIO(data.decode()))
        rows = [{name: float(value) if value else None for name, value in row.items()} for row in table]
    except (TypeError, ValueError, csv.Error) as error:  # TypeError: a row longer than the header
        raise StageError(f"{expected} something else ({error}). {again}") from error
    if sha256 not in ("", hashlib.sha256(data).hexdigest()):
        raise StageError(
            f"{expected} another than the one that {RUN} beside it describes, by its sha256. {again}; if it is being "
            "trained at this moment, run this command again when it is finished"
        )
    return rows


def _store_record(store: Store) -> StoreRecord:
    return StoreRecord.from_json(_describe(store), str(store.path))


def _reasons(frame: pd.DataFrame) -> list[str]:
    """Why each rejected row has no feature; a store need not have that column."""
    rejected = frame[frame["status"] != OK]
    return rejected["reason"].tolist() if "reason" in frame else ["not recorded"] * len(rejected)


def _describe(store: Store) -> dict[str, Any]:
    frame, manifest = store.frame, store.manifest
    usable = frame[frame["status"] == OK]
    return {
        "dataset": store.dataset,
        "encoder": manifest.provenance.get("encoder", store.path.parent.name),
        "encoder_note": manifest.provenance.get("encoder_note", ""),
        "encoder_saw": manifest.dataset.get("layout") in manifest.provenance.get("encoder_saw", ()),
        "rows": len(frame),
        "usable": len(usable),
        "rejected": dict(Counter(_reasons(frame))),
        "splits": dict(Counter(usable["split"])),
        "labels": dict(Counter(usable["label"])),
        "width": store.width(),
        "outputs": [array.name for array in manifest.schema.arrays],
        "views": store.n_views(),
        "dtype": manifest.key_fields["dtype"],
        "key": store.key,
        "precision": manifest.key_fields["precision"],
        "preprocess": dict(manifest.key_fields["preprocess"]),
    }
