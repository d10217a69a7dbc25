"""Where a dataset comes from, and how tables and stores differ from what params.yaml states of it now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache.keys import differences
from pipeline.datasets.layouts import LAYOUTS, find_layout, layout_sha256
from pipeline.datasets.reading.base import parse_options as layout_options
from pipeline.differences import changes_text
from pipeline.errors import ConfigError
from pipeline.tables.samples import SampleTable, TableInfo
from pipeline.versions import stage_version
from pipeline.video.identity import decoder_version
from stages.errors import ParamsError
from stages.names import parse_limited_name
from stages.params import DatasetParams, Params
from stages.workspace import Workspace

__all__ = ["StatedSource", "current_source", "root_change", "store_changes", "table_changes"]


@dataclass(frozen=True)
class StatedSource:
    """What a request states of a dataset beside params.yaml; its sample table records it.

    Parameters
    ----------
    layout, root : None if they are not stated
    options : of the layout; those that are stated
    """

    layout: str | None = None
    root: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.as_json())

    @classmethod
    def of_table(cls, info: TableInfo) -> StatedSource:
        """What was stated in the request that made a table."""
        stated = info.given
        root = stated.get("root")
        return cls(stated.get("layout"), Path(root) if root else None, stated.get("options", {}))

    def as_json(self) -> dict[str, Any]:
        """`layout`, `root` and `options`, as far as they are stated."""
        root = None if self.root is None else str(self.root)
        stated = {"layout": self.layout, "root": root, "options": dict(self.options)}
        return {name: value for name, value in stated.items() if value}

    def source(self, dataset: str, params: Params) -> DatasetParams:
        """How the dataset is read: as stated, else by params.yaml; ParamsError if neither has it."""
        source = params.dataset(dataset, self.layout, None if self.root is None else str(self.root))
        return source.model_copy(update={"options": {**source.options, **self.options}})


def current_source(dataset: str, info: TableInfo, params: Params) -> DatasetParams | None:
    """How a sample table would be made now; None if neither params.yaml nor the table has it.

    A dataset that params.yaml names is read by its block. For any other, what the table records is used again.
    """
    if dataset in params.datasets:
        return params.dataset(dataset)
    if not info.reader or info.given.get("layout", "sample") not in LAYOUTS:
        return None  # a table, which may be from elsewhere, chooses no code that is run
    try:
        return StatedSource.of_table(info).source(dataset, params)
    except ParamsError:
        return None


def table_changes(dataset: str, info: TableInfo, params: Params) -> str:
    """`root was 'A', is 'B'`: how a table differs from the one that would be made now; empty if it does not."""
    source = current_source(dataset, info, params)
    if source is None:
        return ""
    before = {
        "dataset": info.dataset,
        "layout": info.layout,
        "root": os.path.abspath(info.root),
        "options": _all_options(info.layout, info.options),
        "reader": info.reader,
        "layout_sha256": info.layout_sha256,
        "video_decoder": info.video_decoder,
    }
    now = {
        "dataset": dataset,
        "layout": source.layout,
        "root": os.path.abspath(source.root),
        "options": _all_options(source.layout, source.options, may_run=True),
        "reader": stage_version("index"),
        "layout_sha256": layout_sha256(source.layout),
        "video_decoder": decoder_version() if info.video_decoder else "",
    }
    as_written = {"root": (info.root, source.root)}
    return changes_text({name: as_written.get(name, values) for name, values in differences(before, now).items()})


def store_changes(described: Mapping[str, Any], dataset: str, params: Params) -> str:
    """`options.classes was 7, is 8`: how the dataset that a store describes differs from that of params.yaml now.

    Layout and options are compared; a store does not record its root. Empty if params.yaml does not name the dataset,
    or the store is of an earlier version that did not record options.

    Parameters
    ----------
    described : the `dataset` of a store's manifest
    dataset : its name; `my.first-12` is read as `my`
    """
    name, _ = parse_limited_name(dataset) or (dataset, 0)
    layout, options = str(described.get("layout", "")), described.get("options")
    if name not in params.datasets or not layout or not options:
        return ""
    source = params.dataset(name)
    before = {"layout": layout, "options": _all_options(layout, options)}
    now = {"layout": source.layout, "options": _all_options(source.layout, source.options, may_run=True)}
    return changes_text(differences(before, now))


def root_change(dataset: str, params: Params) -> str:
    """`root was 'A', is 'B'`: where the sample table of the current folder has another root than params.yaml now.

    Empty if it has the same one, there is no table, or that root is not on this machine.
    """
    name, _ = parse_limited_name(dataset) or (dataset, 0)
    path = Workspace().table(name)
    if name not in params.datasets or not path.exists():
        return ""
    info, _ = SampleTable.read_info(path)
    root = params.dataset(name).root
    if os.path.abspath(info.root) == os.path.abspath(root) or not Path(root).exists():
        return ""
    return changes_text({"root": (info.root, root)})


def _all_options(layout: str, options: Mapping[str, Any], *, may_run: bool = False) -> dict[str, Any]:
    """With the defaults of those that are missing; as they are where this program does not know them.

    Parameters
    ----------
    may_run : whether the code of a layout of one's own is run, as params.yaml or a request names it
    """
    if layout not in LAYOUTS and not may_run:
        return dict(options)
    try:
        return layout_options(find_layout(layout), options).model_dump(mode="json")
    except ConfigError:
        return dict(options)
