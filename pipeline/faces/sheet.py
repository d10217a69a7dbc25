"""Pictures for people: originals with their detected faces next to the aligned ones, and images in rows by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.faces.face import Face
from pipeline.faces.search import Detection
from pipeline.images.alignment import Alignment

__all__ = ["draw_contact_sheet", "draw_label_sheet"]

_CELL, _COLUMNS, _GAP = 112, 6, 4
_BACKGROUND, _TEXT = (32, 32, 32), (230, 230, 230)
_TEXT_SIZE, _TITLE_WIDTH = 28, 160
_BOX, _POINT = (80, 220, 80), (255, 200, 0)


def draw_contact_sheet(
    pictures: Sequence[Image.Image], detections: Sequence[Detection], alignment: Alignment
) -> Image.Image:
    """Pairs of cells, row by row: the whole picture with its face's box and landmarks, and the face as it is cut out.

    An image without a face has an empty right cell.

    Parameters
    ----------
    pictures : mode RGB, at least one
    detections : of the same pictures
    """
    pairs = [_pair(*item, alignment) for item in zip(pictures, detections, strict=True)]
    width, height = 2 * _CELL + _GAP, _CELL + _GAP
    rows = -(-len(pairs) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height), _BACKGROUND)
    for i, pair in enumerate(pairs):
        sheet.paste(pair, (i % _COLUMNS * width, i // _COLUMNS * height))
    return sheet


def draw_label_sheet(rows: Mapping[str, Sequence[Image.Image]]) -> Image.Image:
    """One row of whole pictures per label, which stands in front of it.

    Parameters
    ----------
    rows : label -> pictures, mode RGB, or none
    """
    n_columns = max([1, *map(len, rows.values())])
    size = (_TITLE_WIDTH + n_columns * (_CELL + _GAP), len(rows) * (_CELL + _GAP))
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT_SIZE)
    for i, (label, pictures) in enumerate(rows.items()):
        top = i * (_CELL + _GAP)
        draw.text((_GAP * 2, top + _CELL // 2), label, _TEXT, font, anchor="lm")
        for j, picture in enumerate(pictures):
            sheet.paste(_fitted(picture), (_TITLE_WIDTH + j * (_CELL + _GAP), top))
    return sheet


def _pair(picture: Image.Image, detection: Detection, alignment: Alignment) -> Image.Image:
    pair = Image.new("RGB", (2 * _CELL, _CELL), _BACKGROUND)
    pair.paste(_fitted(picture, detection.face), (0, 0))
    if detection.face:
        pair.paste(alignment.crop(picture, detection.face.landmarks, _CELL), (_CELL, 0))
    return pair


def _fitted(picture: Image.Image, face: Face | None = None) -> Image.Image:
    """The whole picture in the middle of a cell."""
    scale = _CELL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    if face:
        _mark(resized, face, scale)
    cell = Image.new("RGB", (_CELL, _CELL), _BACKGROUND)
    cell.paste(resized, ((_CELL - width) // 2, (_CELL - height) // 2))
    return cell


def _mark(picture: Image.Image, face: Face, scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    x, y, width, height = (value * scale for value in face.box)
    draw.rectangle((x, y, x + width, y + height), outline=_BOX)
    for px, py in (np.asarray(face.landmarks) * scale).tolist():
        draw.ellipse((px - 1.5, py - 1.5, px + 1.5, py + 1.5), fill=_POINT)
