"""What is to be drawn: one `FaceSpec` per image, dealt so that image i does not depend on how many are asked for.

Five successive images show one person, and ten successive people fill the splits 7 : 1 : 2. Labels are dealt from
decks of 40 cards, one pile of decks per split, whose counts are as uneven as those of the field's datasets.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.datasets.drawn.anatomy import (
    ActionUnits,
    Identity,
    Pose,
    draw_identity,
    draw_intensity,
    draw_pose,
    draw_units,
)
from pipeline.datasets.drawn.styles import style_named
from pipeline.errors import ConfigError

__all__ = ["IMAGES_PER_SUBJECT", "OCCLUSIONS", "FaceSpec", "sample_specs"]

IMAGES_PER_SUBJECT = 5
OCCLUSIONS = ("none", "sunglasses", "scarf", "hand")
_SPLIT_CYCLE = ("train", "val", "test", "train", "train", "train", "test", "train", "train", "train")
_DECK = {"happiness": 12, "neutral": 10, "sadness": 6, "surprise": 5, "anger": 3, "disgust": 2, "fear": 2}


@dataclass(frozen=True)
class FaceSpec:
    """Everything that decides one image, except the style that draws it.

    `intensity` lies in [0, 1]. `asymmetry` in [-0.25, 0.25] strengthens the units of the image's right half by that
    share and weakens those of the left. `seed` feeds what has no name of its own: background, light, grain.
    """

    id: str
    label: str
    split: str
    subject: str
    intensity: float
    units: ActionUnits
    identity: Identity
    pose: Pose
    asymmetry: float
    occlusion: str
    seed: int


def sample_specs(style: str, n: int = 400, seed: int = 0) -> list[FaceSpec]:
    """The first `n` images of a style. From n = 60 on, every split shows every expression.

    Parameters
    ----------
    style : one of `STYLES`
    n : int >= 1
    seed : another seed gives other people, with the same splits and counts

    Raises
    ------
    ConfigError
        If the style is unknown or n < 1.
    """
    if n < 1:
        raise ConfigError(f"n: expected at least one image of {style}, found {n}")
    scene = style_named(style)
    return [_spec(style, index, seed, scene.yaw_spread, scene.occluded) for index in range(n)]


def _spec(style: str, index: int, seed: int, yaw_spread: float, occluded: float) -> FaceSpec:
    person = index // IMAGES_PER_SUBJECT
    letter, split = style[-1], _SPLIT_CYCLE[person % len(_SPLIT_CYCLE)]
    label = _label(style, index, seed)
    rng = _rng(seed, style, "image", index)
    intensity = draw_intensity(label, rng)
    return FaceSpec(
        id=f"{letter}{index:05d}",
        label=label,
        split=split,
        subject=f"{letter}-{person:04d}",
        intensity=intensity,
        units=draw_units(label, intensity, rng),
        identity=draw_identity(_rng(seed, style, "subject", person)),
        pose=draw_pose(yaw_spread, rng),
        asymmetry=float(np.clip(rng.normal(0.0, 0.1), -0.25, 0.25)),
        occlusion=str(rng.choice(OCCLUSIONS[1:])) if rng.random() < occluded else "none",
        seed=int(rng.integers(2**31)),
    )


def _label(style: str, index: int, seed: int) -> str:
    person, image = divmod(index, IMAGES_PER_SUBJECT)
    cycle, place = divmod(person, len(_SPLIT_CYCLE))
    split = _SPLIT_CYCLE[place]
    earlier = cycle * Counter(_SPLIT_CYCLE)[split] + _SPLIT_CYCLE[:place].count(split)
    deck, card = divmod(earlier * IMAGES_PER_SUBJECT + image, sum(_DECK.values()))
    return _shuffled_deck(seed, style, split, deck)[card]


@lru_cache(maxsize=64)
def _shuffled_deck(seed: int, style: str, split: str, deck: int) -> tuple[str, ...]:
    """The first deck of a split opens with one card of each expression, so that small samples miss none."""
    rng = _rng(seed, style, split, deck)
    opening = list(_DECK) if deck == 0 else []
    rest = list((Counter(_DECK) - Counter(opening)).elements())
    return tuple(np.concatenate([rng.permutation(opening), rng.permutation(rest)]).tolist())


def _rng(seed: int, style: str, what: str, number: int) -> np.random.Generator:
    """A generator of its own for every image, person and deck; stable across processes and machines."""
    digest = hashlib.sha256(f"{seed}/{style}/{what}/{number}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
