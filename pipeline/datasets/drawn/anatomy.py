"""What faces do and how they differ: action units, people, pose and occlusion.

Action units follow the Facial Action Coding System. An expression is one of a few prototypes (the same anger may
clench or shout), scaled by an intensity and disturbed, so that no two faces show it in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np

__all__ = [
    "BEARDS",
    "HAIRCUTS",
    "OCCLUSIONS",
    "PROTOTYPES",
    "ActionUnits",
    "FaceSpec",
    "Person",
    "Pose",
    "draw_intensity",
    "draw_person",
    "draw_pose",
    "draw_units",
]


@dataclass(frozen=True)
class ActionUnits:
    """How strongly each muscle group works, every one in [0, 1]; all zero is a face at rest."""

    au1: float = 0.0  # inner brow raiser
    au2: float = 0.0  # outer brow raiser
    au4: float = 0.0  # brow lowerer
    au5: float = 0.0  # upper lid raiser
    au6: float = 0.0  # cheek raiser
    au7: float = 0.0  # lid tightener
    au9: float = 0.0  # nose wrinkler
    au10: float = 0.0  # upper lip raiser
    au12: float = 0.0  # lip corner puller
    au15: float = 0.0  # lip corner depressor
    au17: float = 0.0  # chin raiser
    au20: float = 0.0  # lip stretcher
    au24: float = 0.0  # lip pressor
    au25: float = 0.0  # lips part
    au26: float = 0.0  # jaw drop
    au43: float = 0.0  # eyes closed

    def scaled(self, factor: float) -> ActionUnits:
        """Every unit times `factor`, clipped to [0, 1]."""
        return ActionUnits(**{name: min(1.0, max(0.0, value * factor)) for name, value in vars(self).items()})


PROTOTYPES: Mapping[str, tuple[ActionUnits, ...]] = MappingProxyType(
    {
        "surprise": (
            ActionUnits(au1=1.0, au2=1.0, au5=0.9, au25=0.9, au26=0.9),
            ActionUnits(au1=0.9, au2=1.0, au5=1.0, au25=0.6, au26=0.5),
        ),
        "fear": (
            ActionUnits(au1=1.0, au2=0.4, au4=0.65, au5=1.0, au20=1.0, au25=0.9, au26=0.15),
            ActionUnits(au1=0.9, au2=0.4, au4=0.6, au5=0.9, au7=0.2, au15=0.2, au20=0.9, au25=0.5),
        ),
        "disgust": (
            ActionUnits(au4=0.5, au6=0.3, au7=0.6, au9=1.0, au10=1.0, au15=0.5, au17=0.3, au25=0.6),
            ActionUnits(au4=0.4, au7=0.6, au9=1.0, au10=0.8, au15=0.6, au17=0.8),
        ),
        "happiness": (
            ActionUnits(au6=0.8, au12=1.0, au25=0.9, au26=0.25),
            ActionUnits(au6=0.9, au12=1.0),
            ActionUnits(au6=0.7, au12=0.9, au25=0.8),
        ),
        "sadness": (
            ActionUnits(au1=1.0, au4=0.45, au15=1.0, au17=0.7, au43=0.35),
            ActionUnits(au1=0.9, au4=0.5, au6=0.2, au15=0.9, au17=0.4, au25=0.3, au43=0.25),
        ),
        "anger": (
            ActionUnits(au4=1.0, au5=0.5, au7=0.7, au17=0.4, au24=1.0),
            ActionUnits(au4=1.0, au5=0.7, au7=0.6, au10=0.5, au20=0.2, au25=1.0, au26=0.45),
        ),
        "neutral": (ActionUnits(),),
    }
)

_WEAKEST, _STRONGEST = 0.35, 1.0
_NEUTRAL_AT_MOST = 0.1
_STRAY_CHANCE, _STRAY_AT_MOST = 0.35, 0.16


def draw_intensity(label: str, rng: np.random.Generator) -> float:
    """How strongly `label` is shown: [0.35, 1] and more often strong than weak; below 0.1 for neutral."""
    if label == "neutral":
        return float(rng.uniform(0.0, _NEUTRAL_AT_MOST))
    return float(_WEAKEST + (_STRONGEST - _WEAKEST) * rng.beta(2.2, 1.4))


def draw_units(label: str, intensity: float, rng: np.random.Generator) -> ActionUnits:
    """One way of showing `label`: a prototype, scaled, each unit disturbed, with a few stray units added.

    Parameters
    ----------
    label : canonical expression, a key of `PROTOTYPES`
    intensity : float in [0, 1]
    """
    prototype = PROTOTYPES[label][rng.integers(len(PROTOTYPES[label]))]
    names = [unit.name for unit in fields(ActionUnits)]
    base = np.array([getattr(prototype, name) for name in names])
    stray = rng.uniform(0.0, _STRAY_AT_MOST, len(names)) * (rng.random(len(names)) < _STRAY_CHANCE)
    activations = np.clip(base * intensity * rng.uniform(0.75, 1.2, len(names)) + stray, 0.0, 1.0)
    return ActionUnits(**dict(zip(names, activations.tolist(), strict=True)))


HAIRCUTS = ("bald", "cropped", "parted", "fringe", "bob", "long", "curly", "bun")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
OCCLUSIONS = ("none", "sunglasses", "scarf", "hand")


@dataclass(frozen=True)
class Person:
    """One person. Shape traits lie in [-1, 1], 0 is the average face; they are confounders of the expression."""

    face_width: float = 0.0
    jaw_width: float = 0.0
    chin_length: float = 0.0
    eye_spacing: float = 0.0
    eye_size: float = 0.0
    eye_tilt: float = 0.0
    brow_height: float = 0.0
    brow_weight: float = 0.0
    brow_tilt: float = 0.0
    nose_length: float = 0.0
    nose_width: float = 0.0
    mouth_width: float = 0.0
    mouth_curve: float = 0.0
    lip_fullness: float = 0.0
    skin: float = 0.3  # 0 lightest, 1 darkest
    age: float = 0.2  # 0 no lines at rest, 1 many
    hair_colour: float = 0.3  # 0..1 along the palette of a style
    haircut: str = "cropped"
    beard: str = "none"
    glasses: bool = False
    seed: int = 0  # of what is too small to name: strands, iris, clothes


_TRAITS = [trait.name for trait in fields(Person)]
_SHAPE_TRAITS = _TRAITS[: _TRAITS.index("skin")]
_BEARDED, _WITH_GLASSES = 0.35, 0.18


def draw_person(rng: np.random.Generator) -> Person:
    """A person at random."""
    shape = dict(zip(_SHAPE_TRAITS, np.clip(rng.normal(0.0, 0.5, len(_SHAPE_TRAITS)), -1, 1).tolist(), strict=True))
    bearded = rng.random() < _BEARDED
    return Person(
        **shape,
        skin=float(rng.random()),
        age=float(rng.beta(1.5, 2.5)),
        hair_colour=float(rng.random()),
        haircut=str(rng.choice(HAIRCUTS)),
        beard=str(rng.choice(BEARDS[1:])) if bearded else "none",
        glasses=bool(rng.random() < _WITH_GLASSES),
        seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class Pose:
    """Where head and eyes point: degrees (positive yaw turns to the image's right, pitch down, roll clockwise).

    `gaze` moves the irises within the eyes, each coordinate in [-1, 1], positive right and down.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


def draw_pose(spread: float, rng: np.random.Generator) -> Pose:
    """A pose at random; `spread` is the standard deviation of yaw in degrees, pitch and roll vary half as much."""
    yaw, pitch, roll = np.clip(rng.normal(0.0, 1.0, 3), -2, 2) * (spread, 0.5 * spread, 0.5 * spread)
    right, down = np.clip(rng.normal(0.0, 0.35, 2), -1, 1)
    return Pose(float(yaw), float(pitch), float(roll), (float(right), float(down)))


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
    person: Person
    pose: Pose
    asymmetry: float
    occlusion: str
    seed: int
