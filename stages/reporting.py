"""What `report` does: run folders and stores -> records -> files."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cache import Store
from cache.atomic import write_bytes
from cache.places import Place
from cache.store import find_store
from pipeline.report import RunRecord, StoreRecord, build_report, parse_json
from pipeline.samples import OK
from stages.errors import StageError
from stages.workspace import scores_path

__all__ = ["Records", "gather", "write_report"]


@dataclass(frozen=True)
class Records:
    """Everything that a report is made of."""

    runs: list[RunRecord]
    stores: list[StoreRecord]


def gather(runs: Path, features: Place) -> Records:
    """All runs below a folder, and the stores that they were trained and tested on.

    Raises
    ------
    StageError
        If there is no run.
    """
    records = [_read_run(path.parent) for path in sorted(runs.rglob("run.json"))]
    if not records:
        raise StageError(f"no trained runs below {runs}: expected run.json files. Run `fer-stage train` first")
    used = {(run.encoder, name) for run in records for name in (run.dataset, *(score.dataset for score in run.scores))}
    stores = [_store_record(find_store(features, *names)) for names in sorted(used)]
    return Records(records, stores)


def write_report(records: Records, reports: Path) -> None:
    """index.html, metrics.json and tables/*.csv."""
    report = build_report(records.runs, records.stores, created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    for name, table in report.tables.items():
        write_bytes(reports / "tables" / f"{name}.csv", table.to_csv(index=False).encode())
    write_bytes(reports / "metrics.json", json.dumps(report.metrics, indent=2).encode())
    write_bytes(reports / "index.html", report.html.encode())


def _read_run(folder: Path) -> RunRecord:
    scores = scores_path(folder)
    return RunRecord.from_json(
        parse_json((folder / "run.json").read_text(), str(folder / "run.json")),
        _history((folder / "history.csv").read_text()),
        parse_json(scores.read_text(), str(scores)) if scores and scores.exists() else [],
        str(folder),
    )


def _history(text: str) -> list[dict[str, float | None]]:
    rows = csv.DictReader(io.StringIO(text))
    return [{name: float(value) if value else None for name, value in row.items()} for row in rows]


def _store_record(store: Store) -> StoreRecord:
    return StoreRecord.from_json(_describe(store), str(store.path))


def _describe(store: Store) -> dict[str, Any]:
    frame, manifest = store.frame, store.manifest
    usable = frame[frame["status"] == OK]
    return {
        "dataset": store.dataset,
        "encoder": manifest.provenance["encoder"],
        "encoder_note": manifest.provenance["encoder_note"],
        "encoder_saw": manifest.dataset.get("layout") in manifest.provenance.get("encoder_saw", ()),
        "rows": len(frame),
        "usable": len(usable),
        "rejected": dict(Counter(frame["reason"][frame["status"] != OK])),
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
