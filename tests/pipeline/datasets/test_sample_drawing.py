"""Action units move what they should, and styles draw it, each in its own way."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.datasets.drawn import STYLES, draw_contact_sheet, draw_face, sample_specs
from pipeline.datasets.drawn.anatomy import BEARDS, HAIRCUTS, OCCLUSIONS, ActionUnits, Person, Pose
from pipeline.datasets.drawn.canvas import ellipse, ribbon, smooth
from pipeline.datasets.drawn.face import face_of
from pipeline.errors import ConfigError

SHAPES = {
    "sample-a": (128, 128),
    "sample-b": (100, 100),
    "sample-c": (181, 143),
    "sample-d": (176, 176),
    "sample-e": (48, 48),
}
PLAIN = replace(
    sample_specs("sample-a", 1)[0],
    units=ActionUnits(),
    person=Person(),
    pose=Pose(),
    asymmetry=0.0,
    occlusion="none",
)


def face(**units):
    return face_of(replace(PLAIN, units=ActionUnits(**units)))


def corner_rise(drawn):
    """How far the mouth's corners are above its middle, in face units."""
    line = drawn.mouth.line
    return line[len(line) // 2, 1] - (line[0, 1] + line[-1, 1]) / 2


def lid_gap(drawn):
    eye = drawn.eyes[1]
    return float(np.max(eye.lower[:, 1] - eye.upper[:, 1]))


def mouth_width(drawn):
    return float(np.ptp(drawn.mouth.line[:, 0]))


def inner_brow(drawn):
    return drawn.brows[1].curve[0]


def outer_brow(drawn):
    return drawn.brows[1].curve[-1]


def strongest_fold(drawn):
    return max((fold.strength for fold in drawn.folds), default=0.0)


def grows(measure, **units):
    """Whether `measure` rises at every step of the unit from rest to full strength."""
    steps = [measure(face(**{name: share * most for name, most in units.items()})) for share in (0, 0.25, 0.5, 0.75, 1)]
    return bool(np.all(np.diff(steps) > 0))


def test_au12_raises_the_mouth_corners_and_au15_lowers_them():
    assert grows(corner_rise, au12=1)
    assert grows(lambda drawn: -corner_rise(drawn), au15=1)


def test_au1_raises_the_inner_brow_more_than_the_outer():
    assert grows(lambda drawn: -inner_brow(drawn)[1], au1=1)
    assert grows(lambda drawn: outer_brow(drawn)[1] - inner_brow(drawn)[1], au1=1)


def test_au2_raises_the_outer_brow_alone():
    assert grows(lambda drawn: -outer_brow(drawn)[1], au2=1)
    assert face(au2=1).brows[1].curve[0, 1] == pytest.approx(face().brows[1].curve[0, 1], abs=1e-9)


def test_au4_lowers_the_brows_and_draws_them_together():
    assert grows(lambda drawn: inner_brow(drawn)[1], au4=1)
    assert grows(lambda drawn: -inner_brow(drawn)[0], au4=1)


def test_au5_opens_the_eyes_and_au7_au43_close_them():
    assert grows(lid_gap, au5=1)
    assert grows(lambda drawn: -lid_gap(drawn), au7=1)
    assert grows(lambda drawn: -lid_gap(drawn), au43=0.9)
    assert lid_gap(face(au43=1)) < 0.02


def test_au6_pushes_the_lower_lid_up():
    assert grows(lambda drawn: -drawn.eyes[0].lower[:, 1].max(), au6=1)


def test_au9_lifts_the_nose_wings_and_wrinkles_the_skin():
    assert grows(lambda drawn: -drawn.nose.base[0, 1], au9=1)
    assert strongest_fold(face(au9=1)) > 0.9 > strongest_fold(face())


def test_au10_raises_the_upper_lip():
    assert grows(lambda drawn: -drawn.mouth.upper_lip[:, 1].min(), au10=1)


def test_au20_stretches_the_mouth_and_au24_presses_it_thin():
    assert grows(mouth_width, au20=1)
    assert grows(lambda drawn: -mouth_width(drawn), au24=1)
    assert grows(lambda drawn: -np.ptp(drawn.mouth.lower_lip[:, 1]), au24=1)


def test_au25_parts_the_lips_and_au26_drops_the_jaw():
    assert face().mouth.gap == pytest.approx(0.0, abs=0.02)
    assert grows(lambda drawn: drawn.mouth.gap, au25=1)
    assert grows(lambda drawn: drawn.mouth.gap, au25=1, au26=1)
    assert grows(lambda drawn: drawn.outline[:, 1].max(), au25=1, au26=1)


def test_irises_stay_between_the_lids():
    for units in ({"au43": 0.8}, {"au7": 1, "au6": 1}, {"au5": 1}):
        eye = face(**units).eyes[0]
        assert eye.iris[:, 1].min() >= eye.upper[:, 1].min() - 1e-6
        assert eye.iris[:, 1].max() <= max(eye.lower[:, 1].max(), eye.upper[:, 1].max()) + 1e-6


def test_a_face_at_rest_is_symmetric_and_asymmetry_favours_one_half():
    rest = face().mouth.line
    np.testing.assert_allclose(rest[:, 0], -rest[::-1, 0], atol=1e-9)
    smirk = face_of(replace(PLAIN, units=ActionUnits(au12=0.6), asymmetry=0.25)).mouth.line
    assert smirk[-1, 1] < smirk[0, 1]


def test_yaw_moves_the_nose_towards_the_side_the_head_turns_to():
    turned = face_of(replace(PLAIN, pose=Pose(yaw=20.0)))
    assert turned.nose.tip[:, 0].mean() > face().nose.tip[:, 0].mean() + 0.1
    assert turned.nose.tip[:, 0].mean() - turned.outline[:, 0].mean() > 0.1


def test_pitch_looks_down_and_roll_turns_clockwise():
    nodding = face_of(replace(PLAIN, pose=Pose(pitch=15.0)))
    assert nodding.nose.tip[:, 1].mean() > face().nose.tip[:, 1].mean()
    rolled = face_of(replace(PLAIN, pose=Pose(roll=15.0)))
    assert rolled.brows[1].curve[0, 1] > rolled.brows[0].curve[0, 1]


def test_a_smooth_curve_passes_all_its_points():
    knots = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    curve = smooth(knots)
    assert all(np.min(np.hypot(*(curve - knot).T)) < 1e-12 for knot in knots)


def test_a_ribbon_is_as_wide_as_asked():
    """A level line of width 0.2: its outline lies 0.1 above and below."""
    outline = ribbon(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), 0.2)
    np.testing.assert_allclose(sorted(outline[:, 1]), [0.9] * 3 + [1.1] * 3)


def test_an_ellipse_reaches_its_radii():
    points = ellipse((1.0, 2.0), (3.0, 0.5), 4)
    np.testing.assert_allclose(points, [[4, 2], [1, 2.5], [-2, 2], [1, 1.5]], atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_a_spec_gives_the_same_pixels_twice(style):
    spec = sample_specs(style, 5)[4]
    first, second = draw_face(spec, style), draw_face(spec, style)
    assert (first.dtype, first.shape) == (np.uint8, (*SHAPES[style], 3))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_can_draw_everything(style):
    pictures = set()
    for i, haircut in enumerate(HAIRCUTS):
        person = replace(PLAIN.person, haircut=haircut, beard=BEARDS[i % len(BEARDS)], glasses=bool(i % 2))
        spec = replace(PLAIN, person=person, occlusion=OCCLUSIONS[i % len(OCCLUSIONS)], pose=Pose(yaw=30, roll=-15))
        pictures.add(draw_face(spec, style).tobytes())
    assert len(pictures) == len(HAIRCUTS)


@pytest.mark.parametrize("style", STYLES)
def test_an_expression_changes_the_mouth_region_of_the_picture(style):
    """Same person, same light: only the muscles differ, so only the middle of the picture does."""
    smiling = replace(PLAIN, units=ActionUnits(au6=0.8, au12=1, au25=0.9))
    change = np.abs(draw_face(smiling, style).astype(int) - draw_face(PLAIN, style)).sum(axis=2)
    height, width = change.shape
    border = np.concatenate([change[: height // 10].ravel(), change[:, : width // 12].ravel()])
    assert change[height // 2 : 4 * height // 5, width // 3 : 2 * width // 3].mean() > 15 * max(border.mean(), 0.5)


def test_only_sample_e_is_grey():
    for style in STYLES:
        picture = draw_face(sample_specs(style, 1)[0], style)
        assert bool((picture == picture[..., :1]).all()) == (style == "sample-e")


def test_a_contact_sheet_has_a_row_for_each_expression():
    assert draw_contact_sheet("sample-e", columns=3).shape == (7 * 48, 3 * 48, 3)
    assert draw_contact_sheet("sample-e", columns=21).shape == (7 * 48, 21 * 48, 3)


def test_an_empty_contact_sheet_is_an_error():
    with pytest.raises(ConfigError, match="columns: expected at least 1, found 0"):
        draw_contact_sheet("sample-a", columns=0)
