"""Clips of a style: a face at rest shows an expression for a moment and is at rest again, while the head moves.

The moment may be anywhere in a clip, as in clips that are cut from a film and labelled as a whole.

Person, expression, style, background and light are those of one `FaceSpec`; only muscles, pose and place of the head
change from frame to frame. Seven successive clips show one person, each with another expression.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipeline.datasets.drawn.anatomy import (
    OCCLUSIONS,
    ActionUnits,
    FaceSpec,
    Pose,
    draw_intensity,
    draw_person,
    draw_pose,
    draw_units,
)
from pipeline.datasets.drawn.canvas import Canvas
from pipeline.datasets.drawn.painter import paint
from pipeline.datasets.drawn.pictures import SPLIT_CYCLE, generator, placed
from pipeline.datasets.drawn.styles import STYLES, Style, style_named, to_pixels
from pipeline.errors import ConfigError
from pipeline.suggestions import did_you_mean
from pipeline.tables.labels import expressions

__all__ = [
    "CLIPS_PER_SUBJECT",
    "CLIP_SAMPLES",
    "FRAMES",
    "FRAMES_PER_SECOND",
    "ClipSpec",
    "clip_specs",
    "draw_clip",
    "draw_clip_sheet",
    "style_of_clips",
]

_STYLE_OF = MappingProxyType({style.replace("sample-", "sample-video-"): style for style in STYLES})
CLIP_SAMPLES: tuple[str, ...] = tuple(_STYLE_OF)
_EXPRESSIONS = expressions(7)
CLIPS_PER_SUBJECT = len(_EXPRESSIONS)
FRAMES, FRAMES_PER_SECOND = 24, 12

_RISE, _HOLD, _FALL = (2.0, 3.0), (2.0, 4.0), (2.0, 3.0)  # frames from rest to apex, at the apex, back to rest
_BLINKS = (0.3, 0.5, 0.2)  # chances of none, one and two
_BLINK = 1.5  # frames from open to shut

# How far a head moves at most: yaw, pitch and roll in degrees, right and down in face units, growth as a share.
_REACH = np.array([9.0, 5.0, 5.0, 0.14, 0.09, 0.05])
_SWAY, _TREMBLE = (0.3, 0.8), (1.0, 2.0)  # periods in a clip of a slow and a weaker, faster wave
_TREMBLE_SHARE = 0.25

Motion = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClipSpec:
    """Everything that decides one clip, except the style that draws it.

    Parameters
    ----------
    apex : the face when its expression is strongest, and what does not change
    rest : its muscles before and after
    onset : the times, in frames, at which the expression begins to show, is whole, begins to fade and is gone; the
        first may be before the clip, the last after it
    blinks : the times, in frames, at which the eyes are shut
    motion : of the head: yaw, pitch, roll, right, down, growth, as far from the pose of `apex`; shape (FRAMES, 6)
    """

    apex: FaceSpec
    rest: ActionUnits
    onset: tuple[float, float, float, float]
    blinks: tuple[float, ...]
    motion: Motion

    def strength(self, frame: int) -> float:
        """How much of the expression shows in a frame, in [0, 1]: a smooth rise, a plateau, a smooth fall."""
        begins, whole, fades, gone = self.onset
        rising, falling = (frame - begins) / (whole - begins), (gone - frame) / (gone - fades)
        share = float(np.clip(min(rising, falling), 0.0, 1.0))
        return share * share * (3 - 2 * share)

    def face(self, frame: int) -> FaceSpec:
        """The face of a frame."""
        share = self.strength(frame)
        units = {
            name: value + share * (getattr(self.apex.units, name) - value) for name, value in vars(self.rest).items()
        }
        shut = max((1 - abs(frame - time) / _BLINK for time in self.blinks), default=0.0)
        units["au43"] = max(units["au43"], shut)
        pose, (yaw, pitch, roll, *_) = self.apex.pose, self.motion[frame].tolist()
        turned = Pose(pose.yaw + yaw, pose.pitch + pitch, pose.roll + roll, pose.gaze)
        return replace(self.apex, units=ActionUnits(**units), pose=turned)


def style_of_clips(sample: str) -> str:
    """The style that the clips of a sample are drawn in; ConfigError if there is no sample of that name."""
    if sample not in _STYLE_OF:
        raise ConfigError(f"sample of clips: unknown name {sample!r:.100}. {did_you_mean(sample, CLIP_SAMPLES)}")
    return _STYLE_OF[sample]


def clip_specs(sample: str, n: int, seed: int = 0) -> list[ClipSpec]:
    """The first `n` clips of a sample. Clip i does not depend on how many there are.

    Parameters
    ----------
    sample : one of `CLIP_SAMPLES`
    n : int >= 1; from 21 on every split shows every expression, equally often where n is a multiple of 70
    seed : another seed gives other people, with the same splits

    Raises
    ------
    ConfigError
        If the sample is unknown or n < 1.
    """
    if n < 1:
        raise ConfigError(f"n: expected at least one clip of {sample}, found {n}")
    scene = style_named(style_of_clips(sample))
    return [_spec(sample, index, seed, scene) for index in range(n)]


def _spec(sample: str, index: int, seed: int, scene: Style) -> ClipSpec:
    person, clip = divmod(index, CLIPS_PER_SUBJECT)
    label = str(generator(seed, sample, "order", person).permutation(_EXPRESSIONS)[clip])
    rng = generator(seed, sample, "clip", index)
    intensity, letter = draw_intensity(label, rng), sample[-1]
    apex = FaceSpec(
        id=f"v{letter}{index:05d}",
        label=label,
        split=SPLIT_CYCLE[person % len(SPLIT_CYCLE)],
        subject=f"v{letter}-{person:04d}",
        intensity=intensity,
        units=draw_units(label, intensity, rng),
        person=draw_person(generator(seed, sample, "subject", person)),
        pose=draw_pose(scene.yaw_spread / 2, rng),  # the other half is motion
        asymmetry=float(np.clip(rng.normal(0.0, 0.1), -0.25, 0.25)),
        occlusion=str(rng.choice(OCCLUSIONS[1:])) if rng.random() < scene.occluded else "none",
        seed=int(rng.integers(2**31)),
    )
    rest = draw_units("neutral", draw_intensity("neutral", rng), rng)
    blinks = rng.uniform(0, FRAMES - 1, rng.choice(len(_BLINKS), p=_BLINKS)).tolist()
    return ClipSpec(apex, rest, _draw_onset(rng), tuple(blinks), _draw_motion(rng))


def _draw_onset(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Anywhere such that the apex and at least half of the rise and of the fall are in the clip."""
    rise, hold, fall = (float(rng.uniform(*span)) for span in (_RISE, _HOLD, _FALL))
    begins = float(rng.uniform(-rise / 2, FRAMES - 1 - rise - hold - fall / 2))
    return begins, begins + rise, begins + rise + hold, begins + rise + hold + fall


def _draw_motion(rng: np.random.Generator) -> Motion:
    """Two waves in each of six ways to move, shape (FRAMES, 6)."""
    n = len(_REACH)
    time = np.arange(FRAMES)[:, None] / FRAMES
    slow, fast = (
        np.sin(2 * np.pi * (rng.uniform(*periods, n) * time + rng.random(n))) for periods in (_SWAY, _TREMBLE)
    )
    moved: Motion = _REACH * rng.uniform(0.2, 1.0, n) * ((1 - _TREMBLE_SHARE) * slow + _TREMBLE_SHARE * fast)
    return moved


def draw_clip(spec: ClipSpec, style: str, frames: Iterable[int] = range(FRAMES)) -> npt.NDArray[np.uint8]:
    """Frames of `spec` in a style, by default all: uint8, shape (F, H, W, 3). Any style can draw any spec.

    H and W are those of the style's pictures, made even: video codecs halve the resolution of colour.

    Raises
    ------
    ConfigError
        If the style is unknown.
    """
    scene = style_named(style)
    scene = replace(scene, size=(scene.size[0] + scene.size[0] % 2, scene.size[1] + scene.size[1] % 2))
    return np.stack([_draw_frame(spec, frame, scene) for frame in frames])


def _draw_frame(spec: ClipSpec, frame: int, scene: Style) -> npt.NDArray[np.uint8]:
    """Each frame begins with the same random numbers, so that background, light and grain stay as they are.

    What is painted has numbers of its own: how many it needs may change with the shape of the jaw.
    """
    face, seed = spec.face(frame), spec.apex.seed
    canvas = placed(scene, np.random.default_rng(seed))
    right, down, growth = spec.motion[frame, 3:].tolist()
    unit = canvas.unit * (1 + growth)
    centre = (canvas.centre[0] + right * unit, canvas.centre[1] + down * unit)
    canvas = Canvas(scene.size, unit, centre, scene.supersample)
    paint(face, canvas, scene.look, np.random.default_rng([seed, 1]))
    return to_pixels(canvas, scene, np.random.default_rng([seed, 2]))


def draw_clip_sheet(sample: str, columns: int = 12, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A clip of each expression, its frames from left to right: uint8, shape (7 * H, columns * W, 3).

    Raises
    ------
    ConfigError
        If the sample is unknown or columns are not in [1, FRAMES].
    """
    if not 1 <= columns <= FRAMES:
        raise ConfigError(f"columns: expected 1 to {FRAMES}, found {columns}")
    style, specs = style_of_clips(sample), clip_specs(sample, CLIPS_PER_SUBJECT**2, seed)
    shown = np.linspace(0, FRAMES - 1, columns).round().astype(int)
    rows = []
    for row, label in enumerate(_EXPRESSIONS):  # another person in each row
        of_person = specs[row * CLIPS_PER_SUBJECT : (row + 1) * CLIPS_PER_SUBJECT]
        clip = next(spec for spec in of_person if spec.apex.label == label)
        rows.append(np.concatenate(list(draw_clip(clip, style, shown.tolist())), axis=1))
    return np.concatenate(rows)
