"""Sample and face tables on disk: made by `index` and `align`, read by `extract`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from cache.atomic import write_bytes
from pipeline.datasets.index import index_dataset
from pipeline.datasets.sample import STYLES, draw_dataset
from pipeline.faces.table import FaceTable
from pipeline.progress import OnProgress
from pipeline.samples import SampleTable
from stages.errors import ParamsError
from stages.output import say
from stages.params import DatasetParams, Params, SampleParams
from stages.workspace import Workspace

__all__ = ["make_table", "parse_options", "wanted_rows", "write_table"]


def make_table(dataset: str, how: DatasetParams, sample: SampleParams, on_progress: OnProgress) -> SampleTable:
    """Index a dataset; one of the sample's styles is drawn first if it is not there."""
    root = Path(how.root)
    if dataset in STYLES and how.layout == "sample" and not root.exists():
        draw_dataset(dataset, root, sample.images, sample.seed, on_progress)
    return index_dataset(dataset, how.layout, root, how.options, on_progress)


def wanted_rows(given: Mapping[str, Any], params: Params, on_progress: OnProgress) -> tuple[SampleTable, Path, str]:
    """The rows of a dataset that a command is to work on, the dataset's root, and the name of what is made of them.

    Parameters
    ----------
    given : options of a command: `dataset`, `tables`, `limit`, `dry_run` and, where it has them, `layout` and `root`

    Returns
    -------
    All rows under the dataset's own name, or the first `limit` under one of their own. The dataset is indexed first if
    it never was, or if options say what it is.
    """
    (table, root), stem = _indexed(given, params, on_progress), given["dataset"]
    if given["limit"] and given["limit"] < len(table):
        return table.head(given["limit"]), root, f"{stem}.first-{given['limit']}"
    return table, root, stem


def _indexed(given: Mapping[str, Any], params: Params, on_progress: OnProgress) -> tuple[SampleTable, Path]:
    path = Workspace(tables=given["tables"]).table(given["dataset"])
    layout, where = given.get("layout"), given.get("root")
    if path.exists() and not layout and not where:
        table = SampleTable.read(path)
        return table, Path(table.info.root)
    how = params.dataset(given["dataset"], layout, where)
    say(f"indexing {given['dataset']} ({how.layout} at {how.root})")
    table = make_table(given["dataset"], how, params.sample, on_progress)
    if not given["dry_run"]:
        write_table(table, path)
    return table, Path(how.root)


def write_table(table: SampleTable | FaceTable, path: Path) -> None:
    """Replace the Parquet file at `path` as a whole."""
    buffer = io.BytesIO()
    pq.write_table(table.to_arrow(), buffer)
    write_bytes(path, buffer.getvalue())


def parse_options(pairs: Sequence[str], option: str = "--option") -> Mapping[str, Any]:
    """`("rule=probability", "classes=8")` -> a mapping; values are read as YAML, so 8 is a number."""
    options = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise ParamsError(f"{option} {pair!r}: expected NAME=VALUE, such as rule=probability")
        options[name] = yaml.safe_load(value)
    return options
