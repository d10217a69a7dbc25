"""`folder`: images sorted into class folders, the form in which most people share a dataset."""

from __future__ import annotations

from pipeline.datasets.base import Scan
from pipeline.datasets.class_folders import CodedOptions, class_rows
from pipeline.datasets.files import Root
from pipeline.datasets.rows import assemble

__all__ = ["Folder"]


class Folder:
    """`[train|val|test/]<class>/**/*.jpg`; folders named by numbers need the option `codes`."""

    name = "folder"
    summary = "class folders <label>/*, with or without train/, val/, test/ above"
    Options = CodedOptions

    def scan(self, root: Root, options: CodedOptions) -> Scan:
        return assemble(class_rows(root, options.code_map), options)
