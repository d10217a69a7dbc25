"""The request of browse."""

from __future__ import annotations

from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from stages.requests.fields import (
    CONFIG,
    FolderOrBucket,
    OptionalPathLike,
    OptionalPng,
    PathLike,
    Request,
    RunFolders,
    Texts,
    default,
)

__all__ = ["BrowseRequest"]

Port = Annotated[int, Field(ge=0, le=65535)]


@dataclass(frozen=True, config=CONFIG)
class BrowseRequest(Request):
    """Show the pictures of test sets with what heads predicted of them, on a page for this machine only.

    Parameters
    ----------
    runs : folders of trained runs, or folders of such folders; in Python also what `train` returned. Stores, whose
        pictures are shown without predictions
    datasets : test sets to show; by default all that the runs were scored on
    split : which one is shown; predictions are of the test split
    tsne : also places by t-SNE, of up to 5,000 pictures of each encoder
    out : new folder that gets the page and its pictures as files; no server then
    sheet : also write the 24 most confident mistakes as one picture; for one run and one dataset
    tables : folder of sample tables, which say where the pictures are
    port : of the page's address, which is on 127.0.0.1; 0 for any that is free
    """

    runs: RunFolders
    _: KW_ONLY
    datasets: Texts = default(())
    split: Literal["train", "val", "test"] = "test"
    tsne: bool = False
    out: OptionalPathLike = default(None)
    sheet: OptionalPng = default(None)
    port: Port = 0
    dry_run: bool = False
    features: FolderOrBucket = default(Path("features"))
    tables: PathLike = default(Path("tables"))
    quiet: bool = False
