"""fer-stage store why: the differences between two stores, or between a store and its dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    StoreType,
    device_option,
    features_option,
    folder_option,
    format_option,
    params_option,
)
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import AnyPath
    from cache.upkeep.comparison import Difference, Side
    from stages.requests import ExtractRequest

__all__ = ["command"]


@click.command("why")
@click.argument("a", metavar="STORE|DATASET")
@click.argument("b", metavar="[STORE]", type=StoreType(), required=False)
@click.option("--encoder", help="With DATASET: as of `extract`.  [default: the first of params.yaml]")
@folder_option("tables", "With DATASET: folder of sample tables.")
@features_option
@device_option
@params_option
@format_option
def command(a: str, b: AnyPath | None, output_format: str, **options: Any) -> None:
    """Name the fields in which two stores differ, or in which the store of DATASET is out of date.

    The store of DATASET is compared with the one that `extract` would write now, by params.yaml and the sample table.
    Fields of the key change features; `columns` and `dataset` do not: `extract` rewrites them without encoding.
    """
    from cache.backends import BACKENDS
    from cache.upkeep.comparison import compare
    from stages.requests import ExtractRequest

    if b or a.rstrip("/").endswith(tuple(backend.suffix for backend in BACKENDS.values())):
        differences = compare(*_two_stores(a, b))
    else:
        differences = _outdated(ExtractRequest(a, dry_run=True, **options))
    rows = [_row(difference, output_format == "table") for difference in differences]
    echo_rows(rows, output_format, ("field", "a", "b", "words"))
    say(_conclusion(differences))


def _two_stores(a: str, b: AnyPath | None) -> tuple[Side, Side]:
    from cache import open_store
    from cache.upkeep.comparison import Side

    if b is None:
        raise click.UsageError("expected two stores, or the name of a dataset")
    first, second = open_store(StoreType()(a)), open_store(b)
    say(f"a: {first.path}, b: {second.path}")
    return Side.of(first), Side.of(second)


def _outdated(request: ExtractRequest) -> list[Difference]:
    """How the finished store of a dataset differs from the one that `extract` would write."""
    from cache import open_store
    from pipeline.progress import silent
    from stages.workflows.extract_plan import plan_extract

    plan = plan_extract(request, silent)
    store = open_store(plan.target)
    say(f"a: {store.path}, b: what `fer-stage extract` would write now")
    return plan.differences(store)


def _row(difference: Difference, short: bool) -> dict[str, Any]:
    from stages.commands.store.formatting import shortened

    values = {"a": difference.a, "b": difference.b}
    cells = {name: shortened(value) for name, value in values.items()} if short else values
    return {"field": difference.name, **cells, "words": difference.words}


def _conclusion(differences: list[Difference]) -> str:
    if not differences:
        return "they are the same: same features, same columns"
    blocks = {difference.name.partition(".")[0] for difference in differences}
    if blocks <= {"columns", "dataset"}:
        return "the same features with other columns: nothing has to be encoded"
    if blocks <= {"arrays", "columns", "dataset", "provenance"}:
        return "the same key: the features are equal up to rounding"
    return "other features: the key differs"
