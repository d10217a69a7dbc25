"""Sample and face tables on disk: made by `index` and `align`, read by `extract`."""

from __future__ import annotations

import io
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cache.atomic import write_bytes
from cache.keys import differences
from pipeline.datasets.drawn import STYLES, begun_drawing, drawing_changes, is_free
from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.layouts.base import parse_options as layout_options
from pipeline.errors import ChangedImageError, ConfigError
from pipeline.faces.table import FaceTable
from pipeline.identity import changes_text
from pipeline.images.formats import decodable_since
from pipeline.progress import OnProgress
from pipeline.tables.samples import SampleTable, TableInfo
from pipeline.versions import stage_version
from stages.errors import ParamsError, StageError
from stages.names import first_rows
from stages.output import say
from stages.params import DatasetParams, Params, SampleParams, load_params
from stages.requests import AlignRequest, ExtractRequest
from stages.workflows.draw import draw_style
from stages.workspace import Workspace
from stages.yaml_files import YAML_ERRORS, yaml_value

__all__ = [
    "how_now",
    "index_named",
    "make_table",
    "parse_options",
    "root_change",
    "store_changes",
    "table_changes",
    "wanted_rows",
    "write_table",
]


def make_table(
    dataset: str,
    how: DatasetParams,
    sample: SampleParams,
    on_progress: OnProgress,
    given: Mapping[str, Any] | None = None,
) -> SampleTable:
    """Index a dataset; one of the sample's styles is drawn first if it is not there, one that was begun is finished.

    Parameters
    ----------
    given : the command line's `layout`, `root` and `options` for it; recorded in the table
    """
    root = Path(how.root)
    if _is_drawn(dataset, how) and is_free(root):
        draw_style(dataset, root, sample.images, sample.seed, on_progress)
    elif how.layout == "sample" and (begun := begun_drawing(root)):
        style, n, seed = begun
        draw_style(style, root, n, seed, on_progress)  # or waits for the process that draws it
    stated = {name: value for name, value in (given or {}).items() if value}
    return index_dataset(dataset, how.layout, root, how.options, on_progress, stated)


def _is_drawn(dataset: str, how: DatasetParams) -> bool:
    return dataset in STYLES and how.layout == "sample"


def how_now(dataset: str, info: TableInfo, params: Params) -> DatasetParams | None:
    """How params.yaml would have a table made now; None if neither it nor the table says how.

    A dataset that params.yaml names is as it says there. Another one keeps what its command line stated.
    """
    if dataset in params.datasets:
        return params.dataset(dataset)
    if not info.reader:
        return None
    given = info.given
    try:
        how = params.dataset(dataset, given.get("layout"), given.get("root"))
    except ParamsError:
        return None
    return how.model_copy(update={"options": {**how.options, **given.get("options", {})}})


def table_changes(dataset: str, info: TableInfo, params: Params) -> str:
    """`root was 'A', is 'B'`: how a table differs from the one that would be made now; empty if it does not."""
    how = how_now(dataset, info, params)
    return _changes(info, dataset, how) if how else ""


def _changes(info: TableInfo, dataset: str, how: DatasetParams) -> str:
    was = {
        "dataset": info.dataset,
        "layout": info.layout,
        "root": os.path.abspath(info.root),
        "options": _all_options(info.layout, info.options),
        "reader": info.reader,
    }
    now = {
        "dataset": dataset,
        "layout": how.layout,
        "root": os.path.abspath(how.root),
        "options": _all_options(how.layout, how.options),
        "reader": stage_version("index"),
    }
    shown = {"root": (info.root, how.root)}
    return changes_text({name: shown.get(name, values) for name, values in differences(was, now).items()})


def store_changes(described: Mapping[str, Any], dataset: str, params: Params) -> str:
    """`options.classes was 7, is 8`: how what a store describes differs from what params.yaml says of the dataset now.

    Layout and options are compared; a store does not record its root. Empty if params.yaml does not name the dataset,
    or the store is of an earlier version that did not record options.

    Parameters
    ----------
    described : the `dataset` of a store's manifest
    dataset : its name; `my.first-12` is read as `my`
    """
    name, _ = first_rows(dataset) or (dataset, 0)
    layout, options = str(described.get("layout", "")), described.get("options")
    if name not in params.datasets or not layout or not options:
        return ""
    how = params.dataset(name)
    was = {"layout": layout, "options": _all_options(layout, options)}
    now = {"layout": how.layout, "options": _all_options(how.layout, how.options)}
    return changes_text(differences(was, now))


def root_change(dataset: str, params: Params) -> str:
    """`root was 'A', is 'B'`: where the sample table of the current folder has another root than params.yaml now.

    Empty if it has the same one, there is no table, or that root is not on this machine.
    """
    name, _ = first_rows(dataset) or (dataset, 0)
    path = Workspace().table(name)
    if name not in params.datasets or not path.exists():
        return ""
    info, _ = SampleTable.read_info(path)
    root = params.dataset(name).root
    if os.path.abspath(info.root) == os.path.abspath(root) or not Path(root).exists():
        return ""
    return changes_text({"root": (info.root, root)})


def _all_options(layout: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """With the defaults of those that are missing; as they are where this program does not know them."""
    try:
        return layout_options(LAYOUTS[layout], options).model_dump(mode="json")
    except (KeyError, ConfigError):
        return dict(options)


def wanted_rows(
    request: AlignRequest | ExtractRequest, params: Params, on_progress: OnProgress
) -> tuple[SampleTable, Path, str]:
    """The rows of a dataset that a request is about, the dataset's root, and the name of what is made of them.

    Returns
    -------
    All rows under the dataset's own name, or the first `limit` under one of their own. The dataset is indexed first if
    it never was, if options say what it is, or if params.yaml no longer says what the table was made of.
    """
    (table, root), stem, limit = _indexed(request, params, on_progress), request.dataset, request.limit
    _note_other_drawing(table.info, params)
    if limit and limit < len(table):
        return table.head(limit), root, f"{stem}.first-{limit}"
    return table, root, stem


def _indexed(
    request: AlignRequest | ExtractRequest, params: Params, on_progress: OnProgress
) -> tuple[SampleTable, Path]:
    dataset, path = request.dataset, Workspace(tables=request.tables).table(request.dataset)
    stated = {name: str(value) for name in ("layout", "root") if (value := getattr(request, name, None))}
    if path.exists() and not stated:
        table = SampleTable.read(path)
        why = table_changes(dataset, table.info, params)
        if formats := decodable_since(table.frame["reason"].unique()):
            why = ", ".join(filter(None, (why, f"{' and '.join(formats.values())} images can be read now")))
        if not why:
            return _of_its_dataset(table, dataset, path), Path(table.info.root)
        how = how_now(dataset, table.info, params) or params.dataset(dataset)
        stated = {} if dataset in params.datasets else dict(table.info.given)
        if not (Path(how.root).exists() or _is_drawn(dataset, how)):
            say(f"note: {path} is used as it is, as {how.root} is not on this machine to index it again: {why}")
            return _of_its_dataset(table, dataset, path), Path(table.info.root)
        say(f"indexing {dataset} again: {why}")
    else:
        how = params.dataset(dataset, stated.get("layout"), stated.get("root"))
        say(f"indexing {dataset} ({how.layout} at {how.root})")
    table = make_table(dataset, how, params.sample, on_progress, stated)
    if not request.dry_run:
        write_table(table, path)
    return table, Path(how.root)


@contextmanager
def index_named(request: AlignRequest | ExtractRequest) -> Iterator[None]:
    """Errors inside that ask for a dataset to be indexed again name the command."""
    try:
        yield
    except ChangedImageError as error:
        raise ChangedImageError(f"{error}: `{_index_command(request)}`, then run this command again") from error


def _index_command(request: AlignRequest | ExtractRequest) -> str:
    dataset, tables = request.dataset, request.tables
    table = SampleTable.read(Workspace(tables=tables).table(dataset))
    stated = {} if dataset in load_params(request.params).datasets else dict(table.info.given)
    options = stated.pop("options", {})
    words = ["fer-stage", "index", "--dataset", dataset]
    for name, value in stated.items():
        words += [f"--{name}", str(value)]
    for name, value in options.items():
        words += ["--option", f"{name}={json.dumps(value)}"]
    if tables != Workspace().tables:
        words += ["--tables", str(tables)]
    return shlex.join(words)


def _note_other_drawing(info: TableInfo, params: Params) -> None:
    """Drawn pictures may have been asked for by hand: they are not replaced, but params.yaml is not silently wrong."""
    if info.layout != "sample" or info.dataset not in STYLES or "sample" not in params.model_fields_set:
        return
    sample, root = params.sample, Path(info.root)
    if why := drawing_changes(info.dataset, root, sample.images, sample.seed):
        draw = shlex.join(["fer-stage", "draw", "--style", info.dataset, "--out", str(root)])
        say(
            f"note: {root} is not what `sample` in params.yaml says ({why}); it is used as it is. To draw it again: "
            f"`{draw}`, then `fer-stage index --dataset {info.dataset}`"
        )


def _of_its_dataset(table: SampleTable, dataset: str, path: Path) -> SampleTable:
    if table.info.dataset != dataset:
        index = ["fer-stage", "index", "--dataset", dataset, "--layout", table.info.layout, "--root", table.info.root]
        raise StageError(
            f"{path}: expected the sample table of {dataset}, found that of {table.info.dataset}. Rename the file, or "
            f"run: `{shlex.join(index)}`"
        )
    return table


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
        try:
            options[name] = yaml_value(value)
        except YAML_ERRORS as error:
            problem = " ".join(str(error).split())
            raise ParamsError(f"{option} {pair!r:.100}: expected a value as YAML writes it ({problem:.200})") from error
    return options
