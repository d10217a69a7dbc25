"""Face boxes of lists whose four numbers have a fixed order: is it the order that the list really has?"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.datasets.reading.boxes import BoxColumns, pixel_box, read_boxes
from pipeline.datasets.reading.listfile import Line
from pipeline.errors import DatasetError

__all__ = ["EDGES", "edge_boxes", "with_box"]

EDGES = BoxColumns(("left", "top", "right", "bottom"), corners=True)
_ORDERS = (
    ("left", "top", "right", "bottom"),
    ("top", "left", "right", "bottom"),
    ("top", "left", "bottom", "right"),
    ("left", "right", "top", "bottom"),
    ("top", "bottom", "left", "right"),
)
_MOSTLY = 0.5
_FITS = 0.95


def edge_boxes(lines: Sequence[Line], order: Sequence[str], where: str) -> list[tuple[float, ...] | None]:
    """The boxes of lines that have the fields left, top, right and bottom, as (x, y, width, height).

    Parameters
    ----------
    order : these four names as they follow each other in the list

    Raises
    ------
    DatasetError
        If a box is not four numbers in pixels, or most boxes have their right edge left of the left one or the bottom
        above the top: the order must be another one, and the one that fits is named.
    """
    boxes = read_boxes(lines, EDGES, where)
    turned = [line for line, box in zip(lines, boxes, strict=True) if box and (box[2] < 0 or box[3] < 0)]
    if len(turned) > _MOSTLY * len(lines):
        first = " ".join(turned[0][name] for name in order)
        raise DatasetError(
            f"{where}: expected boxes as {' '.join(order)}, found a right edge left of the left one or a bottom above "
            f"the top in {len(turned):,} of {len(lines):,} lines, first {first!r}. {_advice(lines, order)}"
        )
    return boxes


def with_box(name: str, numbers: tuple[float, ...] | None) -> tuple[str, tuple[int, int, int, int] | None, str]:
    """An id for a face of the image `name`, its box in whole pixels, and why it must be rejected (else empty)."""
    box, reason = (None, "") if numbers is None else pixel_box(numbers)
    at = box or numbers
    return (name if at is None else f"{name}@{','.join(f'{value:.9g}' for value in at)}"), box, reason


def _advice(lines: Sequence[Line], order: Sequence[str]) -> str:
    rows = [[float(line[name]) for name in order] for line in lines if all(line[name] for name in order)]
    fits = {other: sum(map(_is_box, (dict(zip(other, row, strict=True)) for row in rows))) for other in _ORDERS}
    best = max(fits, key=fits.__getitem__)
    found = "No order of four edges fits: they may be left top width height"
    if rows and fits[best] >= _FITS * len(rows):
        found = f"The order {' '.join(best)} fits {fits[best]:,} of them"
    return f"{found}. Write the fields of each line as {' '.join(order)}"


def _is_box(edges: dict[str, float]) -> bool:
    return edges["right"] > edges["left"] and edges["bottom"] > edges["top"]
