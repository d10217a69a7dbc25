"""What `status` does: every output of the matrix of params.yaml, compared with what its stage would make now.

Each part calls the checks of its stage, and has none of its own: those by which `index`, `align`, `extract`, `train`
and `evaluate` decide what has to be made.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.differences import changes_text
from pipeline.progress import OnProgress
from stages.params import load_params
from stages.requests import StatusRequest
from stages.results import StatusResult
from stages.workflows.audit_records import AuditRecords
from stages.workflows.project_files import VERSIONS, version_changes
from stages.workflows.report_record import ReportRecord
from stages.workflows.status_datasets import add_faces, add_table
from stages.workflows.status_features import add_store, add_text
from stages.workflows.status_outputs import KNOWN_ERRORS, Outputs, listed
from stages.workflows.status_runs import add_runs, add_scores, add_weights

__all__ = ["status"]

_GRAPH = Path("dvc.yaml")
_STAGES = (
    *(
        "versions",
        "data",
        "draw",
        "index",
        "align",
        "extract",
        "encode-text",
        "train",
        "evaluate",
        "report",
    ),  # in order
)


def status(request: StatusRequest, _on_progress: OnProgress) -> StatusResult:
    """Compare; nothing is written, and no model is loaded.

    Raises
    ------
    ParamsError
        If params.yaml is wrong.
    """
    params = load_params(request.params)
    outputs = Outputs(request, params)
    if not request.params.exists():
        outputs.notes[f"there is no {request.params} here: what follows is of the defaults, as of no project"] = None
    _add_versions(outputs)
    datasets = {name: add_table(outputs, name) for name in dict.fromkeys([*params.datasets, *params.run.datasets])}
    datasets = {name: add_faces(outputs, datasets[name]) for name in params.run.datasets}
    for named in params.run.encoders:
        for dataset in datasets.values():
            add_store(outputs, named, dataset)
    for named in params.run.encoders:
        add_text(outputs, named)
    add_weights(outputs)
    runs = {
        named: [run for method in params.run.methods for run in add_runs(outputs, named, method)]
        for named in params.run.encoders
    }
    for named, folders in runs.items():
        add_scores(outputs, named, folders)
    _add_report(outputs)
    return StatusResult(tuple(sorted(outputs, key=lambda one: _STAGES.index(one.stage))), tuple(outputs.notes))


def _add_versions(outputs: Outputs) -> None:
    """State pipeline/versions.json of a project of DVC: without it, DVC would not see that a method changed."""
    if not (_GRAPH.exists() and VERSIONS.exists()):
        return
    try:
        changes = changes_text(version_changes(VERSIONS.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        changes = "it is no file of versions"
    outputs.add("versions", VERSIONS, "stale" if changes else "up to date", changes, ("init", {"versions": True}))


def _add_report(outputs: Outputs) -> None:
    request = outputs.request
    page, record = request.reports / "index.html", ReportRecord.read(request.reports)
    step = ("report", {"runs": request.runs, **(record.options if record else {})})
    above = outputs.pending(*(row.output for row in outputs if row.stage in ("train", "evaluate", "extract")))
    if not page.exists():
        outputs.add("report", page, "missing", above, step)
        return
    try:
        reason = above or _report_changes(outputs, record)
    except KNOWN_ERRORS as error:
        outputs.add_refused("report", page, "refused", error, step)
    else:
        outputs.add("report", page, "stale" if reason else "up to date", reason, step)


def _report_changes(outputs: Outputs, record: ReportRecord | None) -> str:
    """The inputs of the report that are others now, or the files of it that are not as they were written."""
    request = outputs.request
    if record is None:
        return "what it was made of is not recorded"
    audits = AuditRecords(request.audits, request.tables)
    if changes := record.changes(record.now(request.runs, outputs.stores, audits)):
        from stages.workflows.report import gather  # late: it takes half a second, and most reports are up to date

        gather(request.runs, outputs.stores, audits)  # raises if `report` would refuse what is there now
        return f"changed since it was made: {listed(changes)}"
    differing = record.differing_files(request.reports)
    return f"other content would be written to {listed(differing)}" if differing else ""
