"""`folder`: images sorted into class folders, the form in which most people share a dataset."""

from __future__ import annotations

from pipeline.datasets.reading.base import Scan
from pipeline.datasets.reading.class_folders import CodedOptions, class_rows, other_files
from pipeline.datasets.reading.clips import refuse_videos_alone
from pipeline.datasets.reading.rows import assemble
from pipeline.datasets.roots.files import Root

__all__ = ["Folder"]


class Folder:
    """`[split/]<class>/**/*.jpg` or `<class>/<split>/*.jpg`; folders named by numbers need the option `codes`.

    Splits are named train, val or test in any of their spellings (`Training`, `valid`, `Validation`, `testing`,
    `train_set`; `PublicTest` is val and `PrivateTest` test), in any case, with folders between them and the classes if
    there are such (`Val/Val_Aligned_Faces/Angry`). Other folders of class folders are refused; images in no class
    folder are counted by folder.
    """

    name = "folder"
    summary = "class folders <label>/*, with or without train/, val/, test/ above or below them"
    Options = CodedOptions

    def scan(self, root: Root, options: CodedOptions) -> Scan:
        refuse_videos_alone(root.names(), str(root.path))
        rows = class_rows(root, options.code_map, has_codes=True)
        return assemble(rows, options, unread_files=other_files(root))
