"""The colours of a person in each style."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.drawn.anatomy import Person
from pipeline.datasets.drawn.canvas import Colour, mix

__all__ = ["Palette", "clay_colours", "ink_colours", "natural_colours", "poster_colours"]


@dataclass(frozen=True)
class Palette:
    skin: Colour
    fold: Colour  # lines and hollows of the skin
    glow: Colour  # where the skin catches light
    lip: Colour
    mouth: Colour
    teeth: Colour
    tongue: Colour
    sclera: Colour
    iris: Colour
    pupil: Colour
    brow: Colour
    hair: Colour
    strand: Colour
    cloth: Colour
    frame: Colour  # glasses


_SKINS: tuple[Colour, ...] = (
    (246, 218, 200),
    (233, 192, 164),
    (212, 164, 128),
    (176, 124, 90),
    (146, 98, 70),
    (112, 74, 54),
)
_HAIRS: tuple[Colour, ...] = ((26, 22, 22), (58, 38, 28), (104, 66, 38), (150, 82, 40), (200, 160, 96), (176, 174, 172))
_IRISES: tuple[Colour, ...] = ((70, 44, 26), (98, 66, 36), (84, 104, 62), (72, 108, 140), (110, 124, 130))
_BLACK: Colour = (16, 14, 16)
_WHITE: Colour = (255, 255, 255)


def natural_colours(person: Person) -> Palette:
    """Colours of a photograph: nothing is saturated, teeth and eyes are not white."""
    skin, hair = _ramp(_SKINS, person.skin), _ramp(_HAIRS, person.hair_colour)
    return Palette(
        skin=skin,
        fold=mix(skin, (60, 20, 12), 0.62),
        glow=mix(skin, (255, 240, 224), 0.55),
        lip=mix(skin, (150, 48, 52), 0.5),
        mouth=(48, 18, 18),
        teeth=(226, 218, 204),
        tongue=(150, 74, 72),
        sclera=(228, 222, 216),
        iris=_IRISES[person.seed % len(_IRISES)],
        pupil=_BLACK,
        brow=mix(mix(hair, skin, 0.12), (30, 20, 16), 0.45),
        hair=hair,
        strand=mix(hair, (240, 216, 180), 0.22),
        cloth=_bright(person.seed, saturation=0.35, value=0.55),
        frame=(40, 34, 32),
    )


def ink_colours(person: Person) -> Palette:
    """Pen on paper: two values, and hair that is either left white or filled."""
    paper: Colour = (250, 248, 240)
    black: Colour = (24, 24, 34)
    filled = person.hair_colour < 0.4
    return Palette(
        skin=paper,
        fold=black,
        glow=paper,
        lip=mix(paper, black, 0.16),
        mouth=black,
        teeth=paper,
        tongue=mix(paper, black, 0.55),
        sclera=paper,
        iris=black if person.skin > 0.5 else mix(paper, black, 0.6),
        pupil=black,
        brow=black,
        hair=mix(paper, black, 0.9) if filled else paper,
        strand=mix(paper, black, 0.35) if filled else black,
        cloth=paper if person.seed % 2 else mix(paper, black, 0.25),
        frame=black,
    )


def poster_colours(person: Person) -> Palette:
    """Flat printed colours: a few clean hues, hair of any colour, plain white eyes."""
    skin = _bright(
        int(person.skin * 997), saturation=0.42 + 0.2 * person.skin, value=1.0 - 0.3 * person.skin, hues=(0.02, 0.09)
    )
    return Palette(
        skin=skin,
        fold=mix(skin, (120, 20, 60), 0.45),
        glow=mix(skin, (255, 90, 80), 0.4),
        lip=mix(skin, (214, 24, 62), 0.72),
        mouth=(92, 10, 38),
        teeth=_WHITE,
        tongue=(238, 92, 104),
        sclera=_WHITE,
        iris=_bright(person.seed // 7, saturation=0.75, value=0.55),
        pupil=(20, 14, 40),
        brow=mix(_bright(int(person.hair_colour * 9973), saturation=0.8, value=0.5), (20, 10, 30), 0.55),
        hair=_bright(int(person.hair_colour * 9973), saturation=0.8, value=0.62),
        strand=_bright(int(person.hair_colour * 9973), saturation=0.6, value=0.8),
        cloth=_bright(person.seed // 3, saturation=0.75, value=0.85),
        frame=(24, 20, 60),
    )


def clay_colours(person: Person) -> Palette:
    """Modelled figures: matter of one warm family, with painted eyes."""
    skin = mix(_ramp(_SKINS, person.skin), (232, 150, 110), 0.35)
    hair = mix(_ramp(_HAIRS, person.hair_colour), (120, 60, 90), 0.25)
    return Palette(
        skin=skin,
        fold=mix(skin, (70, 14, 30), 0.6),
        glow=mix(skin, (255, 236, 214), 0.6),
        lip=mix(skin, (186, 42, 60), 0.6),
        mouth=(58, 10, 22),
        teeth=(250, 248, 244),
        tongue=(208, 92, 96),
        sclera=(252, 252, 252),
        iris=_bright(person.seed // 5, saturation=0.65, value=0.6),
        pupil=_BLACK,
        brow=mix(hair, _BLACK, 0.4),
        hair=hair,
        strand=mix(hair, _WHITE, 0.14),
        cloth=_bright(person.seed // 3, saturation=0.5, value=0.75),
        frame=(70, 40, 40),
    )


def _ramp(colours: tuple[Colour, ...], where: float) -> Colour:
    """The colour at `where` in [0, 1] along a row of colours."""
    step, share = divmod(where * (len(colours) - 1), 1.0)
    return mix(colours[int(step)], colours[min(int(step) + 1, len(colours) - 1)], share)


def _bright(number: int, saturation: float, value: float, hues: tuple[float, float] = (0.0, 1.0)) -> Colour:
    """The colour of a number; successive numbers lie far apart on the hue circle."""
    share = number * 0.618034 % 1.0
    red, green, blue = np.array(colorsys.hsv_to_rgb(hues[0] + share * (hues[1] - hues[0]), saturation, value)) * 255
    return round(red), round(green), round(blue)
