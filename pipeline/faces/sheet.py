"""A picture for people: originals with the faces detected in them, next to the aligned faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from pipeline.faces.face import Face
from pipeline.faces.search import Detection
from pipeline.images.alignment import Alignment

__all__ = ["draw_contact_sheet"]

_CELL, _COLUMNS, _GAP = 112, 6, 4
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
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height), (32, 32, 32))
    for i, pair in enumerate(pairs):
        sheet.paste(pair, (i % _COLUMNS * width, i // _COLUMNS * height))
    return sheet


def _pair(picture: Image.Image, detection: Detection, alignment: Alignment) -> Image.Image:
    pair = Image.new("RGB", (2 * _CELL, _CELL), (32, 32, 32))
    scale = _CELL / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    original = picture.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    if detection.face:
        _mark(original, detection.face, scale)
        pair.paste(alignment.crop(picture, detection.face.landmarks, _CELL), (_CELL, 0))
    pair.paste(original, ((_CELL - size[0]) // 2, (_CELL - size[1]) // 2))
    return pair


def _mark(picture: Image.Image, face: Face, scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    x, y, width, height = (value * scale for value in face.box)
    draw.rectangle((x, y, x + width, y + height), outline=_BOX)
    for px, py in (np.asarray(face.landmarks) * scale).tolist():
        draw.ellipse((px - 1.5, py - 1.5, px + 1.5, py + 1.5), fill=_POINT)
