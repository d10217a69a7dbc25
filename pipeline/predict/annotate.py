"""A picture with a box and a label for each of its faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from pipeline.predict.prediction import Prediction
from pipeline.tables.labels import COMPOUND, EXPRESSIONS

__all__ = ["Mark", "annotated", "draw_marks", "expression_colour"]

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom
Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Okabe and Ito's palette, which works with colour blindness, too; neutral is grey.
_BASIC: dict[str, Colour] = dict(
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
_OTHERS: dict[str, Colour] = {
    "anxiety": (152, 78, 163),
    "helplessness": (102, 87, 60),
    "disappointment": (60, 79, 118),
}


def _mixed(name: str) -> Colour:
    """Of a compound label: halfway between the colours of its two expressions."""
    first, second = (_BASIC[part] for part in COMPOUND[name])
    return (first[0] + second[0]) // 2, (first[1] + second[1]) // 2, (first[2] + second[2]) // 2


_COLOURS = {**_BASIC, **_OTHERS, **{name: _mixed(name) for name in COMPOUND}}
_FACE, _SHORT, _LONG = 96, 320, 4096  # pixels: faces and pictures smaller than these are enlarged, up to _LONG
_FONT_PER_FACE, _FONT_PER_SIDE = 0.14, 0.06  # font size: at most these shares of the face's width and the short side
_MIN_FONT, _MAX_FONT = 13, 48  # pixels
_MAX_WIDTH = 1.25  # of a label in one line, in widths of the face
_LABEL_WEIGHT = 8  # cost of a covered pixel of a label, in covered pixels of a face


@dataclass(frozen=True)
class Mark:
    """What is drawn of one face.

    Parameters
    ----------
    box : pixels of the picture that is drawn into
    colour : of the box and its label
    text : its words are put into one line or, where that is wider than the face, into two
    """

    box: Box
    colour: Colour
    words: tuple[str, str]


@dataclass(frozen=True)
class _Label:
    """A text, and the box that it fills."""

    text: str
    font: Font
    colour: Colour
    box: Box


def annotated(picture: Image.Image, predictions: Sequence[Prediction]) -> Image.Image:
    """The picture with a box around every face, its expression and how probable that is.

    Parameters
    ----------
    picture : mode RGB
    predictions : of this picture; those without a face leave it as it is

    Returns
    -------
    Image of mode RGB
        A copy, enlarged where faces or the picture are too small for labels. Labels lie inside the picture, next to
        faces and other labels where there is room.
    """
    faces = [(one, one.box) for one in predictions if one.box is not None]
    scale = _scale(picture.size, [min(width, height) for _, (_, _, width, height) in faces])
    canvas = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    draw_marks(
        canvas,
        [
            Mark(
                (x * scale, y * scale, (x + width) * scale, (y + height) * scale),
                expression_colour(one.expression or "neutral"),
                (str(one.expression), f"{one.probability or 0:.0%}"),
            )
            for one, (x, y, width, height) in faces
        ],
    )
    return canvas


def draw_marks(canvas: Image.Image, marks: Sequence[Mark]) -> None:
    """Draw boxes, then a label for each where it covers least of faces and other labels."""
    draw = ImageDraw.Draw(canvas)
    for mark in marks:
        _draw_box(draw, mark.box, mark.colour)
    for label in _labels(draw, marks, canvas.size):
        _draw_label(draw, label)


def expression_colour(name: str) -> Colour:
    """Of an expression, wherever it is drawn."""
    return _COLOURS[name]


def _scale(size: tuple[int, int], faces: Sequence[float]) -> float:
    typical = sorted(faces)[len(faces) // 4] if faces else _FACE  # the smallest of many may be no face at all
    return max(1.0, min(max(_SHORT / min(size), _FACE / max(typical, 1.0)), _LONG / max(size)))


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    """A line with a dark edge on both sides: visible on every background."""
    width = max(2, round((box[2] - box[0]) / 40))
    draw.rectangle(_enlarged(box, 1), outline=(0, 0, 0), width=width + 2)
    draw.rectangle(box, outline=colour, width=width)


def _labels(draw: ImageDraw.ImageDraw, marks: Sequence[Mark], size: tuple[int, int]) -> Iterator[_Label]:
    """A label for each face, where it covers least of faces and of the labels before it."""
    placed: list[Box] = []
    boxes = [mark.box for mark in marks]

    def cost(label: Box) -> float:
        return _covered(label, boxes) + _LABEL_WEIGHT * _covered(label, placed)

    for mark in marks:
        box = mark.box
        face = box[2] - box[0]
        font_size = min(max(min(face * _FONT_PER_FACE, min(size) * _FONT_PER_SIDE), _MIN_FONT), _MAX_FONT)
        text, font, width, height = _text(draw, mark.words, ImageFont.load_default(font_size), _MAX_WIDTH * face)
        candidates = [_moved_inside((x, y, x + width, y + height), size) for x, y in _candidates(box, width, height)]
        best = min(candidates, key=cost)
        placed.append(best)
        yield _Label(text, font, mark.colour, best)


def _text(
    draw: ImageDraw.ImageDraw, words: tuple[str, str], font: Font, max_width: float
) -> tuple[str, Font, float, float]:
    """The label's text, in two lines where one would be wider than `max_width`, its font, width and height."""
    for text in (" ".join(words), "\n".join(words)):
        left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font, spacing=2)
        width, height = right + left + 4, bottom + top + 2
        if width <= max_width:
            break
    return text, font, width, height


def _candidates(box: Box, width: float, height: float) -> Iterable[tuple[float, float]]:
    """Where the corner of a label may be, the best first: above, below, at its sides, then inside the box."""
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


def _moved_inside(candidate: Box, size: tuple[int, int]) -> Box:
    """The box, moved as little as it takes to lie in the picture."""
    left, top, right, bottom = candidate
    x = min(max(left, 0.0), max(0.0, size[0] - (right - left)))
    y = min(max(top, 0.0), max(0.0, size[1] - (bottom - top)))
    return x, y, x + right - left, y + bottom - top


def _covered(candidate: Box, others: Iterable[Box]) -> float:
    """Square pixels of the others that the box covers."""
    left, top, right, bottom = candidate
    return sum(max(0.0, min(right, r) - max(left, x)) * max(0.0, min(bottom, b) - max(top, y)) for x, y, r, b in others)


def _enlarged(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _draw_label(draw: ImageDraw.ImageDraw, label: _Label) -> None:
    red, green, blue = label.colour
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 100
    draw.rectangle(label.box, fill=label.colour)
    text_colour = (255, 255, 255) if dark else (0, 0, 0)
    draw.multiline_text((label.box[0] + 2, label.box[1]), label.text, text_colour, label.font, spacing=2)
