"""Whether the labels of audited datasets fit another order better: by a head, or by zero-shot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cache import Store
from cache.features_root import find_store
from pipeline.audit.label_order import LabelOrderFinding
from pipeline.errors import MismatchError
from pipeline.tables.samples import SampleTable
from stages.params import Params
from stages.remedies import encoder_written
from stages.requests import AuditRequest
from stages.workflows.aligned_features import aligned_features_steps

__all__ = ["label_orders"]


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
    from stages.workflows.text_vectors import text_for

    written = request.encoder or next(iter(params.encoders))
    folder, spec = params.encoder(written)
    store_of, prompts = _stores(request, folder, written), params.prompts
    for name, table in tables.items():
        store = store_of(name)
        text = text_for(
            request.features, folder, prompts, store, written=written, templates=params.templates(prompts), spec=spec
        )
        yield name, zero_shot_order_of(table, store, text)


def _stores(request: AuditRequest, folder: str, written: str) -> Callable[[str], Store]:
    def store_of(dataset: str) -> Store:
        with encoder_written(folder, written):
            return find_store(request.features, folder, dataset)

    return store_of
