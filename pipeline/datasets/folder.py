"""`folder`: images sorted into class folders, the form in which most people share a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.datasets.base import Scan
from pipeline.datasets.class_folders import CodedOptions, class_rows, is_image
from pipeline.datasets.files import Root
from pipeline.datasets.rows import assemble

__all__ = ["Folder"]


class Folder:
    """`[train|val|test/]<class>/**/*.jpg`; folders named by numbers need the option `codes`."""

    name = "folder"
    summary = "class folders <label>/*, with or without train/, val/, test/ above"
    Options = CodedOptions

    def scan(self, root: Root, options: CodedOptions) -> Scan:
        scan = assemble(class_rows(root, options.code_map), options)
        return replace(scan, notes=(*scan.notes, *_left_out(root)))


def _left_out(root: Root) -> Iterator[str]:
    """A note on the files that are no images by their names: nothing is left out in silence."""
    endings = Counter(PurePosixPath(name).suffix or "no ending" for name in root.names() if not is_image(name))
    if endings:
        counts = ", ".join(f"{ending} {n}" for ending, n in sorted(endings.items()))
        yield f"{endings.total()} files are no images by their names and are left out: {counts}"
