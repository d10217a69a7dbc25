"""`ckextended.csv`: a public copy of CK+ as rows of 48 x 48 pixels, without people and sequences."""

from __future__ import annotations

from pipeline.datasets.layouts.ck_plus_frames import CkPlusOptions
from pipeline.datasets.layouts.fer2013 import pixel_lines
from pipeline.datasets.reading.base import Scan
from pipeline.datasets.reading.rows import Row, assemble, splits_of, translate
from pipeline.datasets.roots.containers import member_name, row_text
from pipeline.datasets.roots.files import Root
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS, CONTEMPT
from pipeline.tables.sample import Sample

__all__ = ["CK_CSV", "scan_pixel_csv"]

CK_CSV = "ckextended.csv"
_CODES = {**CODE_MAPS["fer2013"], 7: CONTEMPT}


def scan_pixel_csv(root: Root, name: str, options: CkPlusOptions) -> Scan:
    """All rows of the copy, in the splits of its column `Usage`; ids are numbers of rows.

    Raises
    ------
    DatasetError
        If a protocol is requested: the copy does not say which rows are of one sequence.
    LabelError
        If a code is not 0 to 7.
    """
    where = f"{root.path}: {name}"
    if options.protocol is not None:
        raise DatasetError(
            f"{where}: expected whole sequences for protocol {options.protocol}, found rows without people and "
            "sequences. Leave the option protocol out, or point the root at the original sequences"
        )
    lines = pixel_lines(root, name, ("emotion", "usage"))
    labels = translate([line["emotion"] for line in lines], _CODES, where)
    splits = splits_of([line["usage"] for line in lines], f"{where}: column Usage")
    rows = [
        Row(Sample(row_text(i), member_name(name, row_text(i)), label, split))
        for i, (label, split) in enumerate(zip(labels, splits, strict=True))
    ]
    return assemble(rows, options, CK_CSV)
