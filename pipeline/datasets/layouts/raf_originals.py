"""The uncropped pictures of RAF-DB with the face boxes of `Annotation/boundingbox`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.datasets.reading.boxes import BoxColumns, read_boxes
from pipeline.datasets.reading.listfile import Line
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError, ImageError
from pipeline.images.decode import decode_picture

__all__ = ["NO_BOX", "original_boxes"]

NO_BOX = "no face box"
_FORM = "four numbers left, top, right, bottom in pixels"
_ELSE = "If they have another form, list the pictures with their boxes in a csv (layout csv)"
_N_MEASURED = 64  # pictures of which the size is compared with the box
_TOLERANCE = 2.0  # pixels by which a box may stick out of its picture


def original_boxes(root: Root, folder: str, pictures: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    """The box (x, y, width, height) of every stem whose file `STEM_boundingbox.txt` is in `folder`.

    Parameters
    ----------
    folder : with a slash at its end
    pictures : stem -> path of the original picture

    Raises
    ------
    DatasetError
        If there is no such file at all, one does not hold four numbers, or the numbers cannot be left, top, right and
        bottom: an edge is not beyond the opposite one, or the boxes of most pictures looked at stick out of them.
    """
    names = {stem: name for stem in pictures if root.exists(name := f"{folder}{stem}_boundingbox.txt")}
    if not names:
        raise DatasetError(
            f"{root.path}: expected face boxes {folder}train_00001_boundingbox.txt ({_FORM}) for the option "
            "images=original, found none. Unpack them, or set images=aligned"
        )
    lines = [Line({"box": root.text(name).strip()}, f"{root.path}: {name}") for name in names.values()]
    read = read_boxes(lines, BoxColumns(("box",), corners=True), f"{root.path}: {folder}")
    boxes = {stem: box for stem, box in zip(names, read, strict=True) if box is not None}
    if bad := [names[stem] for stem, (_, _, width, height) in boxes.items() if width <= 0 or height <= 0]:
        raise DatasetError(
            f"{root.path}: expected {_FORM}, found {len(bad)} of {len(boxes)} boxes whose right or bottom edge is not "
            f"beyond the other: {some(bad)}. {_ELSE}"
        )
    _require_inside(root, {pictures[stem]: box for stem, box in boxes.items()})
    return boxes


def _require_inside(root: Root, boxes: Mapping[str, tuple[float, ...]]) -> None:
    """Numbers of another meaning (width and height last, or top first) lead out of many pictures."""
    present = [path for path in boxes if root.exists(path)]
    chosen = present[:: max(1, len(present) // _N_MEASURED)]
    sizes = {path: size for path in chosen if (size := _size(root, path))}
    outside = [path for path, size in sizes.items() if _sticks_out(boxes[path], size)]
    if len(outside) > len(sizes) / 2:
        examples = [f"{path} of {sizes[path][0]} x {sizes[path][1]} pixels" for path in outside]
        raise DatasetError(
            f"{root.path}: expected {_FORM}, found boxes that stick out of {len(outside)} of {len(sizes)} pictures: "
            f"{some(examples)}. {_ELSE}"
        )


def _size(root: Root, path: str) -> tuple[int, int] | None:
    try:
        return decode_picture(root.read(path)).size
    except ImageError:
        return None  # its row is rejected with the reason


def _sticks_out(box: Sequence[float], size: tuple[int, int]) -> bool:
    x, y, width, height = box
    return min(x, y) < -_TOLERANCE or x + width > size[0] + _TOLERANCE or y + height > size[1] + _TOLERANCE
