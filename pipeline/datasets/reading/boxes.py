"""Face boxes in tables: which columns hold them, in which form, and whether they are pixels at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.datasets.reading.listfile import Line
from pipeline.errors import DatasetError
from pipeline.images.transform import OUTSIDE_IMAGE

__all__ = ["BOX_COLUMNS", "BoxColumns", "box_columns", "pixel_box", "read_boxes"]

# Reasons of a rejected row: stable words, counted in summaries.
NO_AREA = "box without area"
TOO_SMALL = "box smaller than 2 x 2 pixels"

_SIZED = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
_CORNERS = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
)
_PARTS = {part for form in (*_SIZED, *_CORNERS) for part in form}
# Every spelling of a part -> the part; a table is searched for all of them, and `box_columns` picks the form.
BOX_COLUMNS = {prefix + part: part for part in sorted(_PARTS) for prefix in ("", "face", "bbox", "box", "rect")}
_LARGEST = 2**31 - 1
_LARGEST_SHARE = 2.0  # no face in pixels is that small; a share of the picture may stick out of it a little


@dataclass(frozen=True)
class BoxColumns:
    """Where a table has its boxes: one column of four numbers, or four columns.

    With `corners` the third and fourth number are the right and lower edge, and not width and height.
    """

    names: tuple[str, ...]
    corners: bool = False


_FORMS = (
    *(BoxColumns(names) for names in (("box",), *_SIZED)),
    *(BoxColumns(names, corners=True) for names in _CORNERS),
)


def box_columns(columns: Mapping[str, str], where: str) -> BoxColumns | None:
    """The columns that hold a box, of those that a table has; None if there is no complete box.

    Raises
    ------
    DatasetError
        If there are two forms of box: which one is meant would be a guess.
    """
    complete = [form for form in _FORMS if set(form.names) <= columns.keys()]
    if len(complete) > 1:
        forms = " and ".join(",".join(columns[name] for name in form.names) for form in complete)
        raise DatasetError(f"{where}: expected one form of face box, found {forms}. Remove or rename one of them")
    return complete[0] if complete else None


def read_boxes(lines: Sequence[Line], columns: BoxColumns | None, where: str) -> list[tuple[float, ...] | None]:
    """The box of every row as (x, y, width, height); None where the row has none.

    Raises
    ------
    DatasetError
        If a box is not four numbers, or all boxes are so small that they must be shares of the picture.
    """
    if columns is None:
        return [None] * len(lines)
    boxes = [_read(line, columns) for line in lines]
    _refuse_shares([box for box in boxes if box and box[2] > 0 and box[3] > 0], columns, where)
    return boxes


def pixel_box(box: tuple[float, ...]) -> tuple[tuple[int, int, int, int] | None, str]:
    """A box rounded to whole pixels and no reason; or None and why the row must be rejected."""
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return None, NO_AREA
    if round(width) < 2 or round(height) < 2:
        return None, TOO_SMALL
    if x + width <= 0 or y + height <= 0:
        return None, OUTSIDE_IMAGE
    return (round(x), round(y), round(width), round(height)), ""


def _read(line: Line, columns: BoxColumns) -> tuple[float, ...] | None:
    fields = [line[name].strip("()[]") for name in columns.names]
    text = ",".join(filter(None, fields))
    if not text:
        return None
    try:
        numbers = [float(number) for number in text.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(abs(number) <= _LARGEST for number in numbers):  # NaN is not smaller either
        form = "left, top, right, bottom" if columns.corners else "x, y, width, height"
        raise DatasetError(f"{line.where}: expected a box of four numbers {form} in pixels, found {text!r}")
    first, second, third, fourth = numbers
    return (first, second, third - first, fourth - second) if columns.corners else (first, second, third, fourth)


def _refuse_shares(boxes: Sequence[tuple[float, ...]], columns: BoxColumns, where: str) -> None:
    edges = [edge for x, y, width, height in boxes for edge in (x, y, x + width, y + height)]
    if edges and max(map(abs, edges)) <= _LARGEST_SHARE:
        raise DatasetError(
            f"{where}: expected face boxes in pixels, found all {len(boxes)} boxes ({','.join(columns.names)}) between "
            f"{min(edges):g} and {max(edges):g}: relative boxes, shares of the picture's width and height. Multiply "
            "them by the size of each picture"
        )
