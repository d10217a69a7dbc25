"""Whether the labels of audited datasets fit another order better: by a head, or by zero-shot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cache import Store
from cache.features_root import find_store
from pipeline.audit.label_order import LabelOrderFinding
from pipeline.audit.record import AuditRecord
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.reading.base import parse_options
from pipeline.errors import ConfigError, MismatchError, TableError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.samples import SampleTable, TableInfo
from stages.output import say
from stages.params import Params
from stages.remedies import command_line, encoder_written
from stages.requests import AuditRequest
from stages.workflows.aligned_features import aligned_features_steps
from stages.workflows.dataset_sources import StatedSource

__all__ = ["earlier_label_orders", "label_orders", "right_reading"]


def label_orders(
    request: AuditRequest, params: Params, tables: Mapping[str, SampleTable]
) -> dict[str, LabelOrderFinding]:
    """Dataset -> whether its labels fit another order; empty if neither a head nor zero-shot is named.

    Raises
    ------
    StoreMissingError
        If a dataset has no features of the encoder.
    """
    if request.run is not None:
        return dict(_by_head(request, request.run, tables))
    return dict(_by_zero_shot(request, params, tables)) if request.zero_shot else {}


def earlier_label_orders(
    path: Path, digests: Mapping[str, str], orders: Mapping[str, LabelOrderFinding]
) -> dict[str, str]:
    """Dataset -> the other order that its labels fit, by the record that is replaced, where nothing newer is known.

    A dataset whose table has changed since is left out, and so is one whose labels were judged now.

    Parameters
    ----------
    path : of the record; there may be none
    digests : dataset -> `table_digest` of its table now
    orders : those that were judged now, or could not be judged
    """
    if not path.exists():
        return {}
    try:
        earlier = AuditRecord.read_info(path)
    except TableError:
        say(f"note: {path}: the earlier record cannot be read, and what it states of label order is lost")
        return {}
    open_ = {name for name in digests if name not in orders or orders[name].not_judged}
    return {
        name: text
        for name, text in earlier.label_order.items()
        if name in open_ and earlier.tables.get(name) == digests[name]
    }


def right_reading(dataset: str, info: TableInfo, finding: LabelOrderFinding, request: AuditRequest) -> str:
    """The command that reads a dataset by the order that its labels fit; empty where its layout has no such preset."""
    layout = LAYOUTS.get(info.layout)
    if layout is None or not finding.is_suspicious or not finding.is_read_by_known or finding.order not in CODE_MAPS:
        return ""
    codes = {"codes": finding.order}
    try:
        parse_options(layout, {**info.options, **codes})
    except ConfigError:
        return ""
    stated = StatedSource.of_table(info).as_json()
    options = {**stated.get("options", {}), **codes}
    places = {"tables": request.tables, "params": request.params}
    return command_line("index", {"dataset": dataset, **stated, "options": options, **places})


def _by_head(
    request: AuditRequest, named: Path, tables: Mapping[str, SampleTable]
) -> Iterator[tuple[str, LabelOrderFinding]]:
    from pipeline.predict.saved import DEFAULT_HEAD, read_saved  # late, as below: few audits need a head
    from stages.workflows.label_order import label_order_of

    head = read_saved(DEFAULT_HEAD if str(named) == "default" and not named.exists() else named)
    store_of = _stores(request, head.record.encoder, head.record.encoder_named)
    for name, table in tables.items():
        try:
            yield name, label_order_of(table, store_of(name), head, request.features, request.device)
        except MismatchError as error:
            if not (steps := aligned_features_steps(head, name, request.features)):
                raise
            raise MismatchError(f"{error}. The head reads aligned faces", remedy=steps) from error


def _by_zero_shot(
    request: AuditRequest, params: Params, tables: Mapping[str, SampleTable]
) -> Iterator[tuple[str, LabelOrderFinding]]:
    from stages.workflows.label_order import zero_shot_order_of
    from stages.workflows.text_vectors import ExpectedText, text_for

    written = request.encoder or next(iter(params.encoders))
    folder, spec = params.encoder(written)
    store_of, prompts = _stores(request, folder, written), params.prompts
    for name, table in tables.items():
        store = store_of(name)
        expected = ExpectedText(params.templates(prompts), spec=spec)
        text = text_for(request.features, folder, prompts, store, written=written, expected=expected)
        yield name, zero_shot_order_of(table, store, text)


def _stores(request: AuditRequest, folder: str, written: str) -> Callable[[str], Store]:
    def store_of(dataset: str) -> Store:
        with encoder_written(folder, written):
            return find_store(request.features, folder, dataset)

    return store_of
