"""A face onto a canvas, from back to front, in the look of a style."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.drawn.anatomy import FaceSpec, Person
from pipeline.datasets.drawn.canvas import Canvas, Colour, Points, closed, even_steps, mix, ribbon, shifted
from pipeline.datasets.drawn.face import Face, face_of
from pipeline.datasets.drawn.face_parts import Brow, Eye
from pipeline.datasets.drawn.hair_and_accessories import beard, glasses, hair, hand, scarf
from pipeline.datasets.drawn.palettes import Palette

__all__ = ["Look", "paint"]

_DRAWN_AS_LINE = 0.22  # weaker folds are left out where folds are lines


@dataclass(frozen=True)
class Look:
    """How a style draws what every style shares.

    `outline` is the width of ink around each shape, in face units (0: none). `soft` models folds and cheeks with
    shade instead of lines; `relief` in [0, 1] says how strongly. `strands` of the hair are drawn as lines.
    """

    palette: Callable[[Person], Palette]
    outline: float = 0.0
    soft: bool = False
    relief: float = 0.5
    strands: bool = False
    lash: float = 0.028


@dataclass(frozen=True)
class _Painter:
    canvas: Canvas
    look: Look
    colours: Palette
    rng: np.random.Generator

    def shape(self, points: Points, colour: Colour, width: float | None = None) -> None:
        """A polygon, with the look's outline or one of another width."""
        self.canvas.polygon(points, colour)
        outline = self.look.outline if width is None else width
        if outline:
            self.canvas.stroke(np.vstack([points, points[:1]]), outline, self.colours.fold)

    def line(self, curve: Points, width: float, colour: Colour) -> None:
        """A stroke of the pen: thickest in its middle."""
        self.lines(curve[None], width, colour)

    def lines(self, curves: Points, width: float, colour: Colour) -> None:
        """Strokes (S, K, 2) of the same pen."""
        self.canvas.strokes(curves, width * (0.3 + 0.7 * (1 - even_steps(curves.shape[1]) ** 2)), colour)


def paint(spec: FaceSpec, canvas: Canvas, look: Look, rng: np.random.Generator) -> None:
    """Draw the person of `spec`, without background."""
    face, person = face_of(spec), spec.person
    painter = _Painter(canvas, look, look.palette(person), rng)
    locks = hair(person, face.project)
    for shape in locks.back:
        painter.shape(shape, mix(painter.colours.hair, (0, 0, 0), 0.25))
    _body(painter, face)
    _skin(painter, face)
    whiskers = beard(face, spec.units, person)
    if whiskers.jaw is not None:
        _whiskers(painter, whiskers.jaw, whiskers.dense)
    _nose(painter, face)
    _mouth(painter, face)
    if whiskers.lip is not None:
        painter.shape(whiskers.lip, painter.colours.brow, 0.0)
    for eye, brow in zip(face.eyes, face.brows, strict=True):
        _eye(painter, eye)
        _brow(painter, brow)
    for shape in locks.front:
        painter.shape(shape, painter.colours.hair)
    if look.strands and len(locks.strands):
        painter.lines(locks.strands, 0.018, painter.colours.strand)
    if person.glasses and spec.occlusion != "sunglasses":
        _glasses(painter, spec, face)
    _OCCLUDERS[spec.occlusion](painter, spec, face)


def _body(painter: _Painter, face: Face) -> None:
    colours = painter.colours
    painter.shape(face.neck, colours.skin)
    if not painter.look.outline:
        painter.canvas.polygon(shifted(face.outline * 0.97, 0.03, 0.16), mix(colours.skin, colours.fold, 0.4))
    painter.shape(face.torso, colours.cloth)
    for ear in face.ears:
        painter.shape(ear, mix(colours.skin, colours.fold, 0.0 if painter.look.outline else 0.12))


def _skin(painter: _Painter, face: Face) -> None:
    painter.shape(face.outline, painter.colours.skin)
    if painter.look.soft:
        _model(painter, face)
        return
    for fold in face.folds:
        if fold.strength > _DRAWN_AS_LINE:
            painter.line(fold.curve, 0.012 + 0.03 * fold.strength, painter.colours.fold)


def _model(painter: _Painter, face: Face) -> None:
    """Hollows, cheeks and folds as shade and light."""
    canvas, dark, light, relief = painter.canvas, painter.colours.fold, painter.colours.glow, painter.look.relief
    sockets = [(closed(shifted(eye.upper, 0, -0.1), shifted(eye.lower, 0, 0.02)), 0.45 * relief) for eye in face.eyes]
    beside_nose = closed(face.nose.bridge, shifted(face.nose.bridge, 0.1, 0.02))
    below_nose = ribbon(shifted(face.nose.base, 0, 0.05), 0.05)
    chin = shifted(face.mouth.lower_lip.mean(axis=0), 0, 0.1)
    below_lip = ribbon(np.linspace(shifted(chin, -0.14, 0), shifted(chin, 0.14, 0), 5), 0.06)
    canvas.soft([*sockets, (beside_nose, 0.4 * relief), (below_nose, 0.5), (below_lip, 0.5)], dark, 0.05)
    canvas.soft([(cheek.curve, cheek.strength * relief) for cheek in face.bulges], light, 0.06)
    folds = sorted(face.folds, key=lambda fold: fold.strength)  # where two cross, the deeper one shows
    canvas.soft([(ribbon(fold.curve, 0.022 + 0.03 * fold.strength), fold.strength) for fold in folds], dark, 0.016)
    canvas.soft([(face.nose.tip, 0.7 * relief)], light, 0.04)


def _whiskers(painter: _Painter, jaw: Points, dense: bool) -> None:
    colour = painter.colours.brow
    if dense:
        painter.shape(jaw, colour)
    elif not painter.look.outline:
        painter.canvas.soft([(jaw, 0.35)], colour, 0.03)
    else:
        low, high = jaw.min(axis=0), jaw.max(axis=0)
        middle = (low + high) / 2
        for dot in middle + (jaw[::2] - middle) * painter.rng.uniform(0.78, 0.95, (len(jaw[::2]), 1)):
            painter.canvas.stroke(np.array([dot, shifted(dot, 0, 0.03)]), 0.014, colour)


def _nose(painter: _Painter, face: Face) -> None:
    nose, colours, look = face.nose, painter.colours, painter.look
    dark = colours.fold if not look.soft else mix(colours.skin, colours.fold, 0.8)
    if not look.soft:
        painter.line(nose.bridge, max(look.outline, 0.022), dark)
    painter.line(nose.base, 0.026, dark)
    for nostril in nose.nostrils:
        painter.canvas.polygon(nostril, dark)


def _mouth(painter: _Painter, face: Face) -> None:
    mouth, colours = face.mouth, painter.colours
    rim = 0.6 * painter.look.outline
    painter.shape(mouth.lower_lip, colours.lip, rim)
    painter.shape(mouth.upper_lip, mix(colours.lip, colours.mouth, 0.22), rim)
    if mouth.gap > 0.02:
        painter.shape(mouth.opening, colours.mouth, rim)
        painter.canvas.polygon(mouth.teeth, colours.teeth)
        if mouth.gap > 0.16:
            painter.canvas.polygon(mouth.tongue, colours.tongue)
        if rim:
            painter.line(mouth.teeth[len(mouth.teeth) // 2 :], 0.014, colours.fold)
    else:
        painter.line(mouth.line, 0.034, mix(colours.mouth, colours.fold, 0.3))


def _eye(painter: _Painter, eye: Eye) -> None:
    canvas, colours = painter.canvas, painter.colours
    canvas.polygon(eye.opening, colours.sclera)
    canvas.polygon(eye.iris, colours.iris)
    canvas.polygon(eye.pupil, colours.pupil)
    canvas.polygon(eye.glint, (255, 255, 255))
    painter.line(eye.lower, 0.012, colours.fold)
    painter.line(eye.upper, painter.look.lash, mix(colours.pupil, colours.fold, 0.3))
    if painter.look.soft:
        painter.line(eye.crease, 0.014, mix(colours.skin, colours.fold, 0.6))


def _brow(painter: _Painter, brow: Brow) -> None:
    painter.canvas.stroke(brow.curve, brow.widths, painter.colours.brow)


def _glasses(painter: _Painter, spec: FaceSpec, face: Face) -> None:
    worn, colour = glasses(spec.person, face.project), painter.colours.frame
    for lens in worn.lenses:
        painter.canvas.stroke(np.vstack([lens, lens[:1]]), 0.03, colour)
    for bar in (worn.bridge, *worn.temples):
        painter.canvas.stroke(bar, 0.03, colour)


def _sunglasses(painter: _Painter, spec: FaceSpec, face: Face) -> None:
    worn, colour = glasses(spec.person, face.project, large=True), painter.colours.frame
    for lens in worn.lenses:
        painter.canvas.polygon(lens, mix(painter.colours.pupil, colour, 0.4))
    for bar in (worn.bridge, *worn.temples):
        painter.canvas.stroke(bar, 0.05, colour)


def _scarf(painter: _Painter, spec: FaceSpec, face: Face) -> None:
    cloth, folds = scarf(face.project, painter.rng)
    painter.shape(cloth, painter.colours.cloth)
    for fold in folds:
        painter.line(fold, 0.05, mix(painter.colours.cloth, painter.colours.fold, 0.5))


def _hand(painter: _Painter, spec: FaceSpec, face: Face) -> None:
    palm, fingers = hand(face.project, painter.rng)
    edge = painter.look.outline or 0.02
    skin = mix(painter.colours.skin, painter.colours.fold, 0.06)
    painter.shape(palm, skin, edge)
    for finger in fingers:
        painter.canvas.stroke(finger, 0.15 + edge, painter.colours.fold)
        painter.canvas.stroke(finger, 0.15 - edge, skin)


def _no_occluder(painter: _Painter, spec: FaceSpec, face: Face) -> None:
    """Nothing occludes the face."""


_OCCLUDERS = {"none": _no_occluder, "sunglasses": _sunglasses, "scarf": _scarf, "hand": _hand}
