"""A picture of pairs that an audit found, side by side, with what they are called and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

__all__ = ["MAX_PAIRS_SHOWN", "ShownPair", "choose_pairs", "draw_pairs"]

MAX_PAIRS_SHOWN = 48
_COLUMNS, _CELL, _GAP, _FONT, _LINES = 6, 112, 6, 11, 3
_BACKGROUND, _TEXT, _CONFLICT = (32, 32, 32), (230, 230, 230), (255, 150, 80)


@dataclass(frozen=True)
class ShownPair:
    """Two pictures, mode RGB, and a line of text about the pair and about each.

    Parameters
    ----------
    conflict : whether their labels contradict each other: the text is orange
    """

    pictures: tuple[Image.Image, Image.Image]
    lines: tuple[str, str, str]
    conflict: bool


def choose_pairs(pairs: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Up to `MAX_PAIRS_SHOWN` rows of `Comparison.pairs`: as many of each kind, evenly spread over its distances.

    Up to a quarter of a kind are pairs across datasets, and up to half these or pairs with labels that contradict each
    other: they are rare and have to be looked at.
    """
    positions = [np.flatnonzero((pairs["kind"] == kind).to_numpy(dtype=bool)) for kind in pairs["kind"].unique()]
    across = (pairs["dataset"] != pairs["other_dataset"]).to_numpy(dtype=bool)
    conflict = pairs["conflict"].to_numpy(dtype=bool)
    chosen: list[npt.NDArray[np.intp]] = []
    n_left = MAX_PAIRS_SHOWN
    for number, rows in enumerate(sorted(positions, key=len)):
        share = min(len(rows), n_left // (len(positions) - number))
        of_kind = _spread(rows[across[rows]], (share + 3) // 4)
        for more, most in ((rows[conflict[rows]], (share + 1) // 2), (rows, share)):
            of_kind = np.concatenate([of_kind, _spread(np.setdiff1d(more, of_kind), most - len(of_kind))])
        chosen.append(of_kind)
        n_left -= share
    return np.sort(np.concatenate([np.empty(0, np.intp), *chosen]))


def _spread(rows: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """Up to `most` of the rows, evenly spread, the first and the last among them."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(np.intp)]


def draw_pairs(pairs: Sequence[ShownPair]) -> Image.Image:
    """The pairs in rows of six; every picture is as large as its cell, and three lines of text stand below."""
    font = ImageFont.load_default(_FONT)
    width, height = 2 * _CELL + 2 * _GAP, _CELL + _LINES * (_FONT + 3) + 2 * _GAP
    n_columns = min(_COLUMNS, max(1, len(pairs)))
    sheet = Image.new("RGB", (n_columns * width, max(1, -(-len(pairs) // _COLUMNS)) * height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, pair in enumerate(pairs):
        left, top = number % _COLUMNS * width, number // _COLUMNS * height
        for side, picture in enumerate(pair.pictures):
            sheet.paste(_fitted(picture), (left + side * (_CELL + 1), top))
        for line, text in enumerate(pair.lines):
            position = (left, top + _CELL + 2 + line * (_FONT + 3))
            draw.text(position, _shortened(text, font, width - _GAP), _CONFLICT if pair.conflict else _TEXT, font)
    return sheet


def _fitted(picture: Image.Image) -> Image.Image:
    cell = Image.new("RGB", (_CELL, _CELL), _BACKGROUND)
    scale = _CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    cell.paste(picture.resize(size, Image.Resampling.BICUBIC), ((_CELL - size[0]) // 2, (_CELL - size[1]) // 2))
    return cell


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, what follows its first word (the label) shortened from its front: names differ at their ends."""
    first, space, rest = text[:200].partition(" ")
    shown, rest = text, (space + rest if len(text) <= 200 else text[-200:])
    while font.getlength(shown) > width and rest:
        rest = rest[1:]
        shown = f"{first} ...{rest}"
    return shown
