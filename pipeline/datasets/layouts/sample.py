"""`sample`: the drawn faces or clips of the package, once `pipeline.datasets.drawn` has written them."""

from __future__ import annotations

import json

from pipeline.datasets.reading.base import LayoutOptions, Scan
from pipeline.datasets.reading.clips import assemble_clips
from pipeline.datasets.reading.listfile import read_table
from pipeline.datasets.reading.rows import Row, assemble, splits_of, translate
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample

__all__ = ["SampleFaces"]

_COLUMNS = ("id", "path", "label", "split", "subject")


class SampleFaces:
    """`images/` or `clips/`, `labels.csv` and, written last, `sample.json`: without it the drawing was interrupted.

    Of clips, every frame becomes a row: they are short.
    """

    name = "sample"
    summary = "drawn faces or clips: images/ or clips/, labels.csv, sample.json"
    Options = LayoutOptions

    def scan(self, root: Root, options: LayoutOptions) -> Scan:
        receipt = root.find("sample.json")
        if receipt is None:
            raise DatasetError(
                f"{root.path}: expected a finished sample ({self.summary}), found {len(root.names())} files and no "
                "sample.json. Draw it again"
            )
        base = receipt.removesuffix("sample.json")
        table = f"{base}labels.csv"
        lines, lookup = read_table(root, table, _COLUMNS).lines, Lookup(root.names())
        labels = translate([line["label"] for line in lines], None, f"{root.path}: {table}")
        splits = splits_of([line["split"] for line in lines], f"{root.path}: {table}")
        rows = [
            Row(Sample(line["id"], lookup(base + line["path"]), label, split, subject=line["subject"] or None))
            for line, label, split in zip(lines, labels, splits, strict=True)
        ]
        unit, release = _drawn(root, receipt)
        return (assemble_clips if unit == "clip" else assemble)(rows, options, release)


def _drawn(root: Root, receipt: str) -> tuple[str, str]:
    """What a sample consists of, `image` or `clip`, and how it was drawn."""
    try:
        drawn = json.loads(root.text(receipt))
        release = f"{drawn['style']}, generator {drawn['generator']}, seed {drawn['seed']}"
        return drawn.get("unit", "image"), release
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{root.path}: {receipt} is damaged ({error!r}). Draw the sample again") from error
