"""`csv`: one table that names every image, for datasets that have no layout of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import Field

from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.boxes import BOX_COLUMNS, BoxColumns, box_columns, pixel_box, read_boxes
from pipeline.datasets.reading.class_folders import CodedOptions
from pipeline.datasets.reading.clips import refuse_videos_alone
from pipeline.datasets.reading.listfile import Line, Table, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, spelled_once, splits_of, translate
from pipeline.datasets.roots.files import Lookup, Root, composed, escapes, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample

__all__ = ["ALIASES", "CsvList", "CsvOptions"]

_REQUIRED = ("path", "label")
_BOX = ("box", *sorted(set(BOX_COLUMNS.values())))
_OPTIONAL = ("id", "split", "subject", "clip", "frame", "fold", *_BOX)
# Column -> its other names; case, spaces and `_`, `.`, `-` do not matter.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "split": ("usage", "subset", "set", "partition", "data split", "dataset split", "original split"),
    "subject": (
        *("subject id", "person", "person id", "identity", "participant", "participant id"),
        *("actor", "actor id", "speaker", "speaker id"),
    ),
    "clip": ("clip id", "video", "video id", "sequence", "sequence id"),
    "frame": ("frame number",),
    "fold": ("fold id", "fold number"),
}
_ALIASES = {alias: column for column, aliases in ALIASES.items() for alias in aliases} | BOX_COLUMNS
_MOSTLY = 0.5


class CsvOptions(CodedOptions):
    file: str = Field("labels.csv", description="name of the table; paths in it are relative to its folder")


class CsvList:
    """Columns `path,label` and, where known, `id,split,subject,clip,frame,fold` and a face box.

    Case, spaces and `_`, `.`, `-` in headers do not matter, and columns have other names (`ALIASES`): `usage`,
    `subset`, `set`, `partition` for `split`, `person`, `subject_id` for `subject`, `video`, `sequence` for `clip`.

    The box is in pixels of the upright picture: four columns `x,y,w,h` (also `x,y,width,height`,
    `left,top,width,height`), four of its edges (`x1,y1,x2,y2`, `x0,y0,x1,y1`, `xmin,ymin,xmax,ymax`,
    `left,top,right,bottom`), all of them also with `face_` or `bbox_` in front, or one column `box` of four numbers
    x, y, w, h. A picture may have several rows with one box each. Relative boxes are refused; a row whose box has
    no area is rejected.

    The id is the column `id`, else the path in the first of its spellings, followed by the box where there is one.
    Equal rows of one id count once, and rows that contradict each other become one rejected row; an id on several
    pictures is refused. All other columns are listed as unread.
    """

    name = "csv"
    summary = "a table labels.csv (option `file`) with columns path,label[,split,subject,clip,frame,fold,x,y,w,h,id]"
    Options = CsvOptions

    def scan(self, root: Root, options: CsvOptions) -> Scan:
        name = root.find(options.file)
        if name is None:
            raise not_this_layout(root, self)
        where = f"{root.path}: {name}"
        table = read_table(root, name, _REQUIRED, _OPTIONAL, _ALIASES)
        boxes = box_columns(table.columns, where)
        rows = _rows(table, boxes, Lookup(root.names()), composed(name).rpartition("/")[0], options, where)
        if not _share_ids(rows):
            _check_repeats(rows, where)
            rows = merge_repeats(rows, options.names)
        return assemble(rows, options, unread_columns=_unread(table, boxes))


def _rows(
    table: Table, columns: BoxColumns | None, lookup: Lookup, base: str, options: CsvOptions, where: str
) -> list[Row]:
    lines = table.lines
    _check_paths([line["path"] for line in lines], where)
    paths = [lookup(_join(base, line["path"])) for line in lines]
    refuse_videos_alone(paths, where)
    labels = translate([line["label"] for line in lines], options.code_map, where, paths)
    splits = splits_of([line.get("split") for line in lines], f"{where}: column {table.columns.get('split', 'split')}")
    boxes = read_boxes(lines, columns, where)
    names = spelled_once([_slashes(line["path"]) for line in lines], paths)
    return [Row(_sample(*of_row)) for of_row in zip(lines, names, paths, labels, splits, boxes, strict=True)]


def _check_paths(paths: Sequence[str], where: str) -> None:
    if bad := [path for path in paths if not path or escapes(_slashes(path))]:
        raise DatasetError(
            f"{where}: expected paths inside the table's folder, found {len(bad)} others: {some(bad)}. Write them "
            "relative to that folder, or move the table into a folder above all images"
        )


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _join(base: str, path: str) -> str:
    return "/".join(part for part in (*base.split("/"), *_slashes(path).split("/")) if part not in ("", "."))


def _sample(line: Line, name: str, path: str, label: str, split: str, numbers: tuple[float, ...] | None) -> Sample:
    box, reason = (None, "") if numbers is None else pixel_box(numbers)
    at = "" if numbers is None else "@" + ",".join(map(str, box) if box else (f"{number:.9g}" for number in numbers))
    return Sample(
        id=line.get("id") or name + at,
        path=path,
        label=label,
        split=split,
        reason=reason,
        subject=line.get("subject") or None,
        clip=line.get("clip") or None,
        frame=line.whole("frame") if line.get("frame") else None,
        fold=line.whole("fold") if line.get("fold") else None,
        box=box,
    )


def _share_ids(rows: Sequence[Row]) -> bool:
    """Whether different pictures have one id: those cannot be repeats of each other."""
    return len({(row.sample.id, row.sample.path) for row in rows}) > len({row.sample.id for row in rows})


def _check_repeats(rows: Sequence[Row], where: str) -> None:
    """A few repeated rows are slips; where most rows are, the table means something else by a row than a picture."""
    counts = Counter(row.sample.id for row in rows)
    if len(rows) - len(counts) <= _MOSTLY * len(rows):
        return
    examples = [f"{name[:80]} ({n:,} rows)" for name, n in counts.most_common(3)]
    raise DatasetError(
        f"{where}: expected one row per picture (and box), found {len(rows):,} rows for {len(counts):,} pictures: "
        f"{some(examples)}. If every row is a sample of its own, add a column `id` that differs on every "
        "row; else keep one row per picture"
    )


def _unread(table: Table, boxes: BoxColumns | None) -> tuple[str, ...]:
    in_use = boxes.names if boxes else ()
    return (*table.unread, *(header for name, header in table.columns.items() if name in _BOX and name not in in_use))
