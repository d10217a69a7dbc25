"""A picture with its faces boxed and named, to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from pipeline.predict.prediction import Prediction
from pipeline.tables.labels import EXPRESSIONS

__all__ = ["annotated"]

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom
Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Okabe and Ito's colours, which also those can tell apart who see no red or no green; neutral is grey.
_COLOURS: dict[str, Colour] = dict(
    zip(
        EXPRESSIONS,
        [
            (240, 228, 66),
            (204, 121, 167),
            (0, 158, 115),
            (230, 159, 0),
            (86, 180, 233),
            (213, 94, 0),
            (200, 200, 200),
            (0, 114, 178),
        ],
        strict=True,
    )
)
_FACE, _SHORT, _LONG = 96, 320, 4096  # pixels: faces and pictures smaller than these are enlarged, up to _LONG
_OF_FACE, _OF_SHEET = 0.14, 0.06  # height of letters: at most these shares of the face's width and the short side
_SMALLEST, _LARGEST = 13, 48  # and so many pixels
_WIDEST = 1.25  # of a label in one line, in widths of the face
_WORSE = 8  # a hidden pixel of a label than one of a face


@dataclass(frozen=True)
class _Label:
    """A text at its place."""

    text: str
    font: Font
    colour: Colour
    place: Box


def annotated(picture: Image.Image, predictions: Sequence[Prediction]) -> Image.Image:
    """The picture with a box around every face, its expression and how probable that is.

    Parameters
    ----------
    picture : mode RGB
    predictions : of this picture; those without a face leave it as it is

    Returns
    -------
    Image of mode RGB
        A copy, enlarged where faces or the picture are so small that nothing could be read. Labels lie inside the
        picture, beside faces and other labels where there is room.
    """
    faces = [one for one in predictions if one.box is not None]
    shown = [one.box for one in faces if one.box is not None]
    scale = _scale(picture.size, [min(width, height) for _, _, width, height in shown])
    sheet = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    boxes = [(x * scale, y * scale, (x + width) * scale, (y + height) * scale) for x, y, width, height in shown]
    pen = ImageDraw.Draw(sheet)
    for one, box in zip(faces, boxes, strict=True):
        _frame(pen, box, _colour(one))
    for label in _placed(pen, faces, boxes, sheet.size):
        _write(pen, label)
    return sheet


def _scale(size: tuple[int, int], faces: Sequence[float]) -> float:
    usual = sorted(faces)[len(faces) // 4] if faces else _FACE  # the smallest of many may be no face at all
    return max(1.0, min(max(_SHORT / min(size), _FACE / max(usual, 1.0)), _LONG / max(size)))


def _colour(one: Prediction) -> Colour:
    return _COLOURS[one.expression or "neutral"]


def _frame(pen: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    """A line with a dark edge on both sides: it shows on every ground."""
    width = max(2, round((box[2] - box[0]) / 40))
    pen.rectangle(_grown(box, 1), outline=(0, 0, 0), width=width + 2)
    pen.rectangle(box, outline=colour, width=width)


def _placed(
    pen: ImageDraw.ImageDraw, faces: Sequence[Prediction], boxes: Sequence[Box], size: tuple[int, int]
) -> Iterator[_Label]:
    """A label for each face, where it hides least of faces and of the labels before it."""
    written: list[Box] = []
    for one, box in zip(faces, boxes, strict=True):
        face = box[2] - box[0]
        letters = min(max(min(face * _OF_FACE, min(size) * _OF_SHEET), _SMALLEST), _LARGEST)
        text, font, width, height = _text(pen, one, ImageFont.load_default(letters), _WIDEST * face)
        spots = [_inside((x, y, x + width, y + height), size) for x, y in _corners(box, width, height)]
        place = min(spots, key=lambda spot: _hidden(spot, boxes) + _WORSE * _hidden(spot, written))
        written.append(place)
        yield _Label(text, font, _colour(one), place)


def _text(pen: ImageDraw.ImageDraw, one: Prediction, font: Font, most: float) -> tuple[str, Font, float, float]:
    """The label's text, in two lines where one would be wider than `most`, its font, width and height."""
    percent = f"{one.probability or 0:.0%}"
    for text in (f"{one.expression} {percent}", f"{one.expression}\n{percent}"):
        left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font, spacing=2)
        width, height = right + left + 4, bottom + top + 2
        if width <= most:
            break
    return text, font, width, height


def _corners(box: Box, width: float, height: float) -> Iterable[tuple[float, float]]:
    """Where a label may begin, the best place first: above, below, beside, then inside the box at its edges."""
    left, top, right, bottom = box
    middle = (left + right - width) / 2
    return (
        (left, top - height),
        (left, bottom),
        (middle, top - height),
        (middle, bottom),
        (right - width, top - height),
        (right - width, bottom),
        (right, top),
        (left - width, top),
        (left, top),
        (left, bottom - height),
    )


def _inside(spot: Box, size: tuple[int, int]) -> Box:
    """The spot, moved as little as it takes to lie in the picture."""
    left, top, right, bottom = spot
    x = min(max(left, 0.0), max(0.0, size[0] - (right - left)))
    y = min(max(top, 0.0), max(0.0, size[1] - (bottom - top)))
    return x, y, x + right - left, y + bottom - top


def _hidden(spot: Box, others: Iterable[Box]) -> float:
    """Square pixels of the others that the spot covers."""
    left, top, right, bottom = spot
    return sum(max(0.0, min(right, r) - max(left, x)) * max(0.0, min(bottom, b) - max(top, y)) for x, y, r, b in others)


def _grown(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _write(pen: ImageDraw.ImageDraw, label: _Label) -> None:
    red, green, blue = label.colour
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 100
    pen.rectangle(label.place, fill=label.colour)
    ink = (255, 255, 255) if dark else (0, 0, 0)
    pen.multiline_text((label.place[0] + 2, label.place[1]), label.text, ink, label.font, spacing=2)
