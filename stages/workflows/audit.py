"""What `audit` does: tables of several datasets -> what is in them more than once."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from cache.atomic import write_bytes
from cache.csv_cells import write_csv
from cache.places.links import require_inside
from pipeline.audit.equality import Equality, NearPictures
from pipeline.audit.findings import Comparison, Finding, compare
from pipeline.audit.label_order import LabelOrderFinding
from pipeline.audit.record import FEATURES, PHASH, PIXELS, AuditInfo, record_name, table_digest
from pipeline.audit.rows import AuditedRows
from pipeline.audit.search import AuditedPictures, Thresholds, column_equalities
from pipeline.datasets.published import PublishedComparison, compare_with_published, known_facts
from pipeline.images.decode import decoder_version
from pipeline.progress import OnProgress
from pipeline.tables.samples import SampleTable
from stages.params import Params, load_params
from stages.requests import AuditRequest
from stages.results import AuditResult
from stages.workflows.audit_features import audited_features
from stages.workflows.audit_label_order import earlier_label_orders, label_orders, right_reading
from stages.workflows.audit_pictures import PictureReader
from stages.workflows.audit_sheet import write_pairs_sheet
from stages.workflows.dataset_sources import table_changes
from stages.workflows.tables import of_its_dataset
from stages.workspace import Workspace

__all__ = ["audit"]


def audit(request: AuditRequest, on_progress: OnProgress) -> AuditResult:
    """Compare the datasets, and write the record unless it is a dry run.

    Raises
    ------
    TableError
        If a dataset is not indexed.
    """
    params, workspace = load_params(request.params), Workspace(tables=request.tables)
    paths = {name: workspace.table(name) for name in request.datasets}
    tables = {name: of_its_dataset(SampleTable.read(path), name, path) for name, path in paths.items()}
    path = request.audits / f"{record_name(request.datasets)}.parquet"
    for output, folder in _outputs(request, workspace, path):
        require_inside(output, folder)
    rows = AuditedRows.of(tables)
    reader = PictureReader(request, tables, on_progress)
    needs_pictures = {PIXELS, PHASH} & set(request.compared)
    fingerprints = reader.fingerprints(rows) if needs_pictures else None
    features, settings = audited_features(request, params, rows) if FEATURES in request.compared else (None, {})
    thresholds = Thresholds(request.max_bits, request.min_cosine)
    pictures = AuditedPictures(rows, request.compared, thresholds, fingerprints, features)
    equalities = pictures.search(on_progress)
    comparison = compare(rows, equalities)
    findings = (*comparison.findings, *_of_columns(rows))
    orders = label_orders(request, params, tables)
    published = {name: compare_with_published(table, known_facts(table.info)) for name, table in tables.items()}
    digests = {name: table_digest(table) for name, table in tables.items()}
    kept = earlier_label_orders(path, digests, orders)
    flags = {name: tuple(_flags(name, findings, "clips" if name in rows.of_clips else "rows")) for name in tables}
    labels = kept | {name: order.text() for name, order in orders.items() if order.is_suspicious}
    info = AuditInfo(
        digests,
        _kinds(request, settings),
        {name: (*flags[name], *_order_and_counts(labels.get(name), published[name])) for name in tables},
        labels,
        {name: texts for name, texts in flags.items() if texts},
    )
    result = AuditResult(
        datasets=request.datasets,
        n_rows=len(rows),
        findings=findings,
        pairs=comparison.pairs,
        groups={kind.kind: _group_sizes(kind) for kind in equalities},
        counts={
            "decoded": reader.n_decoded,
            "undecodable": pictures.n_undecoded,
            "flat": int(pictures.is_flat.sum()),
            "no_feature": pictures.n_without_feature,
        },
        record=pictures.record(equalities, info),
        path=path,
        label_order=orders,
        kept_label_order=kept,
        published=published,
        notes=(
            *_label_order_notes(request, tables, orders, kept),
            *_count_notes(published),
            *_notes(params, tables, pictures),
        ),
    )
    _write(result, comparison, request, reader)
    return result


def _outputs(request: AuditRequest, workspace: Workspace, record: Path) -> Iterator[tuple[Path, Path | None]]:
    """What may be written, each with the folder that was named for it."""
    yield record, request.audits
    yield from ((workspace.fingerprints(name), request.tables) for name in request.datasets)
    yield from ((path, None) for path in (request.pairs, request.contact_sheet) if path is not None)


def _of_columns(rows: AuditedRows) -> Iterator[Finding]:
    """People and clips that are in two splits of a dataset."""
    for column in column_equalities(rows):
        yield from compare(rows, [column]).findings


def _kinds(request: AuditRequest, features: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {
        PIXELS: {"decoder": decoder_version()},
        PHASH: {"decoder": decoder_version(), "max_bits": request.max_bits},
        FEATURES: {"min_cosine": request.min_cosine, **features},
    }
    return {kind: settings.get(kind, {}) for kind in request.compared}


def _group_sizes(kind: Equality) -> dict[str, int]:
    """Groups of several rows, of near kinds those of several pictures, and how large they are."""
    sizes = np.bincount(kind.group)
    several = sizes > 1
    if isinstance(kind, NearPictures):
        several = np.bincount(kind.pairs.components(kind.n_pictures), minlength=len(sizes)) > 1
    return {
        "groups": int(several.sum()),
        "rows": int(sizes[several].sum()),
        "largest": int(sizes[several].max(initial=0)),
    }


def _flags(dataset: str, findings: Sequence[Finding], units: str) -> Iterator[str]:
    """What makes the scores of a dataset doubtful, whichever heads are scored on it; its `units` are counted."""
    own = [one for one in findings if one.dataset == one.other_dataset == dataset]
    if n := sum(one.conflicts for one in own):
        yield f"{n:,} {units} have an equal or nearly equal picture with another label"
    for kind, what in (("subject", "people"), ("clip", "clips")):
        for one in own:
            if one.kind == kind:
                yield f"{one.groups:,} {what} of {one.split} are also in {one.other_split}: {one.pictures:,} {units}"


def _order_and_counts(label_order: str | None, published: PublishedComparison) -> Iterator[str]:
    if label_order:
        yield label_order
    if published.status == "differs":
        yield published.note()


def _label_order_notes(
    request: AuditRequest,
    tables: Mapping[str, SampleTable],
    orders: Mapping[str, LabelOrderFinding],
    kept: Mapping[str, str],
) -> Iterator[str]:
    for name, order in orders.items():
        if command := right_reading(name, tables[name].info, order, request):
            yield f"{name}: `{command}` reads its labels by the order `{order.order}`"
    for name, text in kept.items():
        yield f"{name}: {text}: by an earlier audit of the same table; --zero-shot or --run judges it again"


def _count_notes(published: Mapping[str, PublishedComparison]) -> Iterator[str]:
    """Which release a dataset is, or what differs: people filter datasets, so it is no finding."""
    for name, comparison in published.items():
        if note := comparison.note():
            yield f"{name}: {note}"


def _notes(params: Params, tables: Mapping[str, SampleTable], pictures: AuditedPictures) -> Iterator[str]:
    for name, table in tables.items():
        if changes := table_changes(name, table.info, params):
            yield f"the table of {name} is not as params.yaml describes it now: {changes}. It is audited as it is"
    for n, what in (
        (pictures.n_undecoded, "cannot be decoded; their bytes alone are compared"),
        (int(pictures.is_flat.sum()), "have no contrast, and are compared by bytes and pixels only"),
        (pictures.n_without_feature, "have no feature in the stores, and are not compared by features"),
    ):
        if n:
            yield f"{n:,} pictures {what}"


def _write(result: AuditResult, comparison: Comparison, request: AuditRequest, reader: PictureReader) -> None:
    if request.dry_run:
        return
    buffer = io.BytesIO()
    pq.write_table(result.record.to_arrow(), buffer)
    write_bytes(result.path, buffer.getvalue())
    if request.pairs is not None:
        write_bytes(request.pairs, _pairs_file(result, request.pairs.suffix.lower()))
    if request.contact_sheet is not None:
        write_pairs_sheet(request.contact_sheet, comparison, reader)


def _pairs_file(result: AuditResult, suffix: str) -> bytes:
    if suffix == ".parquet":
        buffer = io.BytesIO()
        result.pairs.to_parquet(buffer, index=False)
        return buffer.getvalue()
    text = io.StringIO()
    write_csv(result.pairs, text)
    return text.getvalue().encode()
