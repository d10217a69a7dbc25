"""What `report` does: run folders and stores -> one page, and tables."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cache import Store
from cache.atomic import write_bytes
from cache.csv_cells import write_csv
from cache.places import AnyPath
from cache.places.links import require_inside
from pipeline.footnotes import DatasetFinding
from pipeline.predict.head_folder import HISTORY, RUN, WEIGHTS
from pipeline.predict.saved import read_saved
from pipeline.progress import OnProgress
from pipeline.records import Scores, StoreSummary, read_history, read_run
from pipeline.records.predictions import read_predictions
from pipeline.records.run import train_again
from pipeline.records.store_summary import summary_of
from pipeline.report import Report, ReportContext, ReportRun, build_report
from pipeline.report.reliability import reliability_of
from pipeline.report.runs import ReportScore
from pipeline.tables.samples import OK
from stages.errors import StageError
from stages.names import SCORES
from stages.remedies import command_line
from stages.requests import ReportRequest
from stages.results import ReportResult
from stages.workflows.audit_records import AuditRecords
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.paper import paper_files, require_figures
from stages.workflows.published import targets_of
from stages.workflows.report_record import RECORD, ReportRecord, run_files
from stages.workflows.scores_file import read_scores
from stages.workflows.text_vectors import known_texts
from stages.workspace import heads_below, scores_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Records", "gather", "make_report", "report", "store_summary"]

_MAX_NAMES = 3  # of files that a note lists


def report(request: ReportRequest, on_progress: OnProgress) -> ReportResult:
    """Gather all runs, and write the page and its tables unless it is a dry run."""
    page = request.reports / "index.html"
    require_inside(page, request.reports)
    require_figures(request.figures)
    stores = OpenedStores(request.features)
    inputs = run_files(request.runs)  # before they are read: what changes meanwhile is no input of this report
    audits = AuditRecords(request.audits, request.tables)
    records = gather(request.runs, stores, audits)
    content = make_report(records, request.runs)
    files, notes = paper_files(content.groups, request, on_progress)
    if not request.dry_run:
        record = ReportRecord.of(request.runs, inputs, records.used, records.text_encoders, stores, audits)
        _write(content, files, record, request)
    return ReportResult(page, content.tables["matrix"], (*content.notes, *notes), len(records.runs), tuple(files))


@dataclass(frozen=True)
class Records:
    """Everything that a report is made of.

    Parameters
    ----------
    left_out : sentences on weights and stores that are not here, on files of scores that belong to no run, and on
        audits that were not used
    audits : what audits found in the datasets of the runs
    texts : text key of runs -> templates of their prompts, of the text vectors that are here
    """

    runs: list[ReportRun]
    stores: list[StoreSummary]
    left_out: tuple[str, ...] = ()
    audits: tuple[DatasetFinding, ...] = ()
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def used(self) -> list[tuple[str, str]]:
        """Encoder and dataset of the stores that the runs were trained and scored on."""
        return _used(self.runs)

    @property
    def text_encoders(self) -> set[str]:
        """Encoders whose text vectors the runs may have learned from."""
        return _text_encoders(self.runs)


def gather(runs: Path, stores: OpenedStores, audits: AuditRecords | None = None) -> Records:
    """All runs below a folder with their scores, and the stores that they were trained and tested on.

    Raises
    ------
    StageError
        If there is no run.
    """
    folders = heads_below(runs, RUN)
    if not folders:
        raise StageError(
            f"no trained runs below {runs}: expected run.json files",
            remedy=[("train", {"method": "METHOD", "dataset": "DATASET"})],
            purpose="first",
        )
    files = {folder: scores_path(folder) for folder in folders}
    records = [_read_run(folder, scores) for folder, scores in files.items()]
    used = _used(records)
    here = [names for names in used if stores.has(*names)]
    left_out = (
        *_without_head(folders),
        *_without_run(runs, {path for path in files.values() if path}),
        *_without_store(stores.features, [names for names in used if names not in here]),
        *_without_predictions(records),
    )
    audits = audits or AuditRecords(None)
    findings = tuple(audits.findings({name for _, name in used}))
    texts = known_texts(stores.features, _text_encoders(records))
    return Records(
        records,
        [store_summary(stores.store(*names)) for names in here],
        (*left_out, *_with_findings(findings), *audits.notes),
        findings,
        texts,
    )


def _text_encoders(runs: Sequence[ReportRun]) -> set[str]:
    return {run.encoder for run in runs if run.record.text_key}


def _used(runs: Sequence[ReportRun]) -> list[tuple[str, str]]:
    return sorted({(run.encoder, name) for run in runs for name in (run.dataset, *(one.dataset for one in run.scores))})


def _with_findings(findings: Sequence[DatasetFinding]) -> list[str]:
    """The datasets in which audits found something: a note at the top of the page, beside the scores."""
    datasets = ", ".join(dict.fromkeys(finding.dataset for finding in findings))
    return [f"Audits have findings in {datasets}: see the section Audit."] if findings else []


def make_report(records: Records, runs: Path = Path("runs")) -> Report:
    """The report in memory; nothing is written.

    Parameters
    ----------
    runs : folder of the runs, for the words about those that have to be evaluated
    """
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    evaluate = command_line("evaluate", {"runs": (str(runs),)})
    targets = targets_of(
        {run.record.method for run in records.runs},
        {score.dataset for run in records.runs for score in run.scores},
    )
    context = ReportContext(records.left_out, evaluate, records.audits, targets, records.texts)
    return build_report(records.runs, records.stores, created, context)


def _write(report: Report, for_papers: Mapping[Path, bytes], record: ReportRecord, request: ReportRequest) -> None:
    """index.html, metrics.json, tables/*.csv, what is for papers, and last the record, which has digests of all."""
    files = {
        **{Path("tables", f"{name}.csv"): _csv(table) for name, table in report.tables.items()},
        Path("metrics.json"): json.dumps(report.metrics, indent=2).encode(),
        Path("index.html"): report.html.encode(),
        **{path.relative_to(request.reports): data for path, data in for_papers.items()},
    }
    for path, data in files.items():
        write_bytes(request.reports / path, data)
    written = {path.as_posix(): hashlib.sha256(data).hexdigest() for path, data in files.items()}
    done = record.model_copy(update={"written": written, "options": _options(request)})
    write_bytes(request.reports / RECORD, done.as_bytes())


def _options(request: ReportRequest) -> dict[str, bool | str | tuple[str, ...]]:
    """Those of tables and figures for papers that are no defaults."""
    chosen = {name: getattr(request, name) for name in ("latex", "figures", "significance", "uncertainty")}
    return {name: value for name, value in chosen.items() if value != getattr(ReportRequest(), name)}


def _csv(table: pd.DataFrame) -> bytes:
    text = io.StringIO()
    write_csv(table, text)
    return text.getvalue().encode()


def _without_store(features: AnyPath, absent: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Runs and their scores are often taken elsewhere without the features."""
    if absent:
        names = _listed([f"{encoder}/{dataset}" for encoder, dataset in absent], "store")
        yield (
            f"Left out: what is in {names}, not found below {features}. Scores are as they were recorded, and whether "
            "they are of the features of now was not checked"
        )


def _read_run(folder: Path, scores: Path | None) -> ReportRun:
    record = read_run(folder / RUN)
    if (folder / WEIGHTS).exists():
        read_saved(folder)  # its weights are those that the record describes
    history = read_history(folder / HISTORY, record.history_sha256, train_again(record))
    run = ReportRun.of(record, history, read_scores(scores) if scores else Scores(), str(folder), str(scores or ""))
    if not scores:
        return run
    return replace(run, scores=tuple(_with_reliability(score, scores, run.label) for score in run.scores))


def _with_reliability(score: ReportScore, scores: Path, run: str) -> ReportScore:
    """The score with the bins of its predictions; as it is where they were not kept, or were left elsewhere."""
    path = scores.parent / score.predictions_file
    if not score.predictions or not path.exists():
        return score
    predictions = read_predictions(path, score, [("evaluate", {"runs": (run,), "datasets": (score.dataset,)})])
    return score.model_copy(update={"reliability": reliability_of(predictions)})


def _without_predictions(runs: Sequence[ReportRun]) -> Iterator[str]:
    """Runs and scores are often taken elsewhere without the predictions."""
    absent = [
        f"{score.predictions_file} of {run.label}"
        for run in runs
        for score in run.scores
        if score.predictions and not score.reliability
    ]
    if absent:
        yield f"Left out of the reliability diagrams: {_listed(absent)} of predictions, not found beside the scores"


def _without_head(folders: Sequence[Path]) -> Iterator[str]:
    """Runs and their scores are often taken elsewhere without the weights."""
    if absent := [str(folder / WEIGHTS) for folder in folders if not (folder / WEIGHTS).exists()]:
        yield (
            f"Not checked: {_listed(absent)} of weights, not found beside the record: that scores are of the head is "
            "known by the digest in the record alone"
        )


def _without_run(runs: Path, with_run: Set[Path]) -> Iterator[str]:
    """Files of scores that no run reads: the run is gone or was moved."""
    orphans = sorted(str(path) for path in (runs / SCORES).rglob("scores.json") if path not in with_run)
    if orphans:
        yield (
            f"Left out: {_listed(orphans)} of scores without the run that they are of. Bring the runs back, or delete "
            "the scores"
        )


def _listed(paths: Sequence[str], what: str = "file") -> str:
    more = f" and {len(paths) - _MAX_NAMES} more" if len(paths) > _MAX_NAMES else ""
    return f"{len(paths)} {what}{'' if len(paths) == 1 else 's'} ({', '.join(paths[:_MAX_NAMES])}{more})"


def store_summary(store: Store) -> StoreSummary:
    """What a report states of a store; InputError if the store states it wrongly."""
    frame, manifest = store.frame, store.manifest
    usable = frame[frame["status"] == OK]
    summary = {
        "dataset": store.dataset,
        "encoder": manifest.provenance.get("encoder", store.path.parent.name),
        "encoder_note": manifest.provenance.get("encoder_note", ""),
        "encoder_saw": manifest.dataset.get("layout") in manifest.provenance.get("encoder_saw", ()),
        "unit": store.unit,
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
    return summary_of(summary, str(store.path))


def _reasons(frame: pd.DataFrame) -> list[str]:
    """Why each rejected row has no feature; a store need not have that column."""
    rejected = frame[frame["status"] != OK]
    return rejected["reason"].tolist() if "reason" in frame else ["not recorded"] * len(rejected)
