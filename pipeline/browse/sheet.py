"""The most confident mistakes of a head as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

__all__ = ["MOST_ON_SHEET", "Mistake", "draw_mistakes", "end_that_fits"]

MOST_ON_SHEET = 24
_COLUMNS, _CELL, _GAP, _FONT = 6, 144, 8, 12
_BACKGROUND, _TEXT, _QUIET = (255, 255, 255), (0, 0, 0), (90, 90, 90)


@dataclass(frozen=True)
class Mistake:
    """A picture, mode RGB, with a caption below it: the prediction, the label, and the id to find it by."""

    picture: Image.Image
    prediction: str
    label: str
    id: str


def draw_mistakes(title: str, mistakes: Sequence[Mistake]) -> Image.Image:
    """The mistakes in rows of six, in order, below a title; without any, a picture of the title."""
    font, line = ImageFont.load_default(_FONT), _FONT + 4
    lines = title.split("\n")
    top, height = _GAP + line * len(lines) + _GAP, _CELL + 3 * line + _GAP
    n_rows = -(-len(mistakes) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (_CELL + _GAP) + _GAP, top + n_rows * height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, text in enumerate(lines):
        draw.text((_GAP, _GAP + number * line), text, _TEXT, font)
    for number, mistake in enumerate(mistakes):
        x, y = _GAP + number % _COLUMNS * (_CELL + _GAP), top + number // _COLUMNS * height
        sheet.paste(_fitted(mistake.picture), (x, y))
        draw.text((x, y + _CELL + 1), mistake.prediction, _TEXT, font)
        draw.text((x, y + _CELL + 1 + line), mistake.label, _QUIET, font)
        draw.text((x, y + _CELL + 1 + 2 * line), end_that_fits(mistake.id, _CELL, font), _QUIET, font)
    return sheet


def end_that_fits(text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A text, without its beginning if it is wider than so many pixels: the end of an id is a file's own name."""
    if font.getlength(text) <= width:
        return text
    ends = (f"...{text[start:]}" for start in range(1, len(text)))
    return next((end for end in ends if font.getlength(end) <= width), "...")


def _fitted(picture: Image.Image) -> Image.Image:
    scale = _CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    cell = Image.new("RGB", (_CELL, _CELL), (235, 235, 235))
    cell.paste(picture.resize(size, Image.Resampling.BICUBIC), ((_CELL - size[0]) // 2, (_CELL - size[1]) // 2))
    return cell
