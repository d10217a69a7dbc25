"""fer-stage store why: why two stores differ, or why one is stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import device_option, features_option, folder_option, format_option, params_path_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.upkeep.comparison import Difference, Side

__all__ = ["command"]

_STORE_ENDINGS = (".zarr", ".h5")


@click.command("why")
@click.argument("a", metavar="STORE|DATASET")
@click.argument("b", metavar="[STORE]", required=False)
@click.option("--encoder", help="With DATASET: as of `extract`.  [default: the first of params.yaml]")
@folder_option("tables", "With DATASET: folder of sample tables.")
@features_option
@device_option
@params_path_option
@format_option
def command(a: str, b: str | None, output_format: str, **given: Any) -> None:
    """Name the fields in which two stores differ, or in which the store of DATASET differs from what is wanted now.

    What is wanted is what `extract` would make by params.yaml and the sample table. Fields of the key change features;
    `columns` and `dataset` do not, and `extract` rewrites them without encoding.
    """
    sides = _two_stores(a, b) if b or a.rstrip("/").endswith(_STORE_ENDINGS) else _store_and_plan(a, given)
    from cache.upkeep.comparison import compare

    found = compare(*sides)
    rows = [_row(difference, output_format == "table") for difference in found]
    echo_rows(rows, output_format, ("field", "a", "b", "words"))
    say(_conclusion(found))


def _two_stores(a: str, b: str | None) -> tuple[Side, Side]:
    from cache import open_store
    from cache.upkeep.comparison import Side
    from stages.commands.store.formatting import place_of

    if b is None:
        raise click.UsageError("expected two stores, or the name of a dataset")
    first, second = open_store(place_of(a)), open_store(place_of(b))
    say(f"a: {first.path}, b: {second.path}")
    return Side.of(first), Side.of(second)


def _store_and_plan(dataset: str, given: dict[str, Any]) -> tuple[Side, Side]:
    """The store that stands, and what `extract` with the same options would make."""
    import pandas as pd

    from cache import open_store
    from cache.upkeep.comparison import Side
    from stages.workflows.store_identity import columns_of, dataset_info

    encoding = _encoding(dataset, given)
    store = open_store(encoding.target)
    rejected = store.manifest.rejected if store.key == encoding.key.digest else {}
    columns = pd.DataFrame(columns_of(encoding.table, rejected))
    say(f"a: {store.path}, b: what `fer-stage extract` would make now")
    return Side.of(store), Side(encoding.key.fields(), columns, dataset_info(encoding.table))


def _encoding(dataset: str, given: dict[str, Any]) -> Any:
    from pipeline.progress import silent
    from stages.commands.extract import command as extract
    from stages.workflows.extract_plan import planned

    words = ["--dataset", dataset, "--dry-run"]
    for option in ("encoder", "tables", "features", "device"):
        words += [f"--{option}", str(given[option])] if given[option] is not None else []
    if given["params_path"].exists():
        words += ["--params", str(given["params_path"])]
    with extract.make_context("extract", words) as context:
        return planned(context.params, silent)


def _row(difference: Difference, short: bool) -> dict[str, Any]:
    from stages.commands.store.formatting import shortened

    values = {"a": difference.a, "b": difference.b}
    shown = {name: shortened(value) for name, value in values.items()} if short else values
    return {"field": difference.name, **shown, "words": difference.words}


def _conclusion(found: list[Difference]) -> str:
    if not found:
        return "they are the same: same features, same columns"
    if all(difference.name.startswith(("columns.", "dataset.")) for difference in found):
        return "the same features with other columns: nothing has to be encoded"
    if all(difference.name.startswith(("arrays.", "columns.", "dataset.", "provenance.")) for difference in found):
        return "the same key: the features are the same but for rounding"
    return "other features: the key differs"
