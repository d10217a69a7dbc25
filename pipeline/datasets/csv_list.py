"""`csv`: one table that names every image, for datasets that have no layout of their own."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from pipeline.datasets.base import Scan, not_this_layout
from pipeline.datasets.class_folders import CodedOptions
from pipeline.datasets.files import Lookup, Root, escapes, some
from pipeline.datasets.listfile import Line, read_table
from pipeline.datasets.rows import Row, assemble, splits_of, translate
from pipeline.errors import DatasetError
from pipeline.samples import Sample

__all__ = ["CsvList", "CsvOptions"]

_REQUIRED = ("path", "label")
_BOX = ("x", "y", "w", "h")
_OPTIONAL = ("id", "split", "subject", "clip", "frame", "fold", "box", *_BOX)


class CsvOptions(CodedOptions):
    file: str = Field("labels.csv", description="name of the table; paths in it are relative to its folder")


class CsvList:
    """Columns `path,label` and, where known, `id,split,subject,clip,frame,fold` and a face box.

    The box is four columns `x,y,w,h` or one `box` of four numbers; a picture may then stand on several rows. The id
    is the column, else the path, followed by the box where there is one. Other columns are not read.
    """

    name = "csv"
    summary = "a table labels.csv (option `file`) with columns path,label[,split,subject,clip,frame,fold,x,y,w,h,id]"
    Options = CsvOptions

    def scan(self, root: Root, options: CsvOptions) -> Scan:
        table = root.find(options.file)
        if table is None:
            raise not_this_layout(root, self)
        where = f"{root.path}: {table}"
        lines = read_table(root, table, _REQUIRED, _OPTIONAL)
        _check_paths([line["path"] for line in lines], where)
        labels = translate([line["label"] for line in lines], options.code_map, where)
        splits = splits_of([line.get("split") for line in lines], where)
        base, lookup = table.rpartition("/")[0], Lookup(root.names())
        rows = [
            Row(_sample(line, lookup(_join(base, line["path"])), label, split))
            for line, label, split in zip(lines, labels, splits, strict=True)
        ]
        return assemble(rows, options)


def _check_paths(paths: Sequence[str], where: str) -> None:
    if bad := [path for path in paths if not path or escapes(_slashes(path))]:
        raise DatasetError(f"{where}: expected paths inside the table's folder, found {len(bad)} others: {some(bad)}")


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _join(base: str, path: str) -> str:
    return "/".join(part for part in (*base.split("/"), *_slashes(path).split("/")) if part not in ("", "."))


def _sample(line: Line, path: str, label: str, split: str) -> Sample:
    box = _box(line)
    at = "" if box is None else "@" + ",".join(map(str, box))
    return Sample(
        id=line.get("id") or _slashes(line["path"]) + at,
        path=path,
        label=label,
        split=split,
        subject=line.get("subject") or None,
        clip=line.get("clip") or None,
        frame=line.whole("frame") if line.get("frame") else None,
        fold=line.whole("fold") if line.get("fold") else None,
        box=box,
    )


def _box(line: Line) -> tuple[int, int, int, int] | None:
    text = line.get("box").strip("()[]") or ",".join(filter(None, map(line.get, _BOX)))
    if not text:
        return None
    try:
        x, y, width, height = (round(float(number)) for number in text.replace(",", " ").replace(";", " ").split())
    except (ValueError, OverflowError):
        width = height = 0
    if width <= 0 or height <= 0:
        raise DatasetError(f"{line.where}: expected a box of x, y, width > 0, height > 0, found {text!r}")
    return x, y, width, height
