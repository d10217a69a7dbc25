"""Distortions are drawn once, then applied; each changes what its strength allows."""

import numpy as np
import pytest
import torch

from pipeline.images.distort import Distort

NOTHING = Distort()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n=4, size=8):
    return torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=rng(1))


def test_nothing_happens_as_they_stand():
    pixels = noise()
    np.testing.assert_allclose(NOTHING(pixels, NOTHING.draw(4, rng())), pixels.float(), atol=1e-3)


def test_what_is_drawn_decides_everything():
    distort, pixels = Distort((0.3, 1.0), (0.5, 2.0), 20.0, 0.4, 0.3), noise()
    drawn = distort.draw(4, rng())
    assert torch.equal(distort(pixels, drawn), distort(pixels, drawn))
    assert torch.equal(distort(pixels, drawn), distort(pixels, distort.draw(4, rng())))
    assert not torch.equal(distort(pixels, drawn), distort(pixels, distort.draw(4, rng(2))))


def test_every_image_gets_its_own():
    distort = Distort((0.3, 1.0), angle=20.0, brightness=0.4, hue=0.3)
    same = noise(1).repeat(4, 1, 1, 1)
    made = distort(same, distort.draw(4, rng()))
    assert len({image.numpy().tobytes() for image in made}) == 4


def test_a_crop_of_a_quarter_is_stretched_over_the_square():
    """The cropped quarter is a square of half the side. Its centre (cx, cy) is at most half a side off: columns that
    rise by 16 per pixel then rise by 8, and the middle of the result is the image's value at cx:
    4 pixels per unit, so 16 * (3.5 + 4 * cx)."""
    columns = (16 * torch.arange(8, dtype=torch.uint8)).expand(5, 8, 8)[..., None].repeat(1, 1, 1, 3)
    distort = Distort((0.25, 0.25))
    drawn = distort.draw(5, rng())
    made = distort(columns, drawn)
    centres = drawn["place"][:, 0, 2]
    assert centres.abs().max() <= 0.5
    inner = made[:, 4, 2:6, 0]
    np.testing.assert_allclose(inner.diff(dim=1), torch.full((5, 3), 8.0), atol=1e-3)
    np.testing.assert_allclose(inner.mean(dim=1), 16 * (3.5 + 4 * centres), atol=1e-3)


def test_aspect_is_width_over_height_and_stays_inside():
    """Area 0.32 at width / height 2 is 0.8 x 0.4; at area 1 both sides end at the image's."""
    place = Distort((0.32, 0.32), (2.0, 2.0)).draw(3, rng())["place"]
    np.testing.assert_allclose(place[:, 0, 0], [0.8] * 3, rtol=1e-5)
    np.testing.assert_allclose(place[:, 1, 1], [0.4] * 3, rtol=1e-5)
    place = Distort((0.15, 1.0), (0.3, 3.3)).draw(1000, rng())["place"]
    sides, centres = place[:, [0, 1], [0, 1]], place[:, :, 2]
    assert sides.max() <= 1
    assert (centres.abs() + sides <= 1 + 1e-6).all()


def test_a_turn_of_a_right_angle_moves_rows_to_columns():
    """x = cos * x' - sin * y': at 90 degrees the square's (x', y') shows the image at (-y', x')."""
    pixels = noise(1)
    right = {"place": torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]]), "colour": torch.eye(3)[None]}
    np.testing.assert_allclose(Distort(angle=90.0)(pixels, right)[0], torch.rot90(pixels[0].float()), atol=1e-2)


def test_turns_reach_to_both_sides_and_no_further():
    turns = torch.rad2deg(torch.atan2(*Distort(angle=10.0).draw(1000, rng())["place"][:, [1, 0], 0].unbind(1)))
    assert -10 <= turns.min() < -9 < 9 < turns.max() <= 10


@pytest.mark.parametrize("grey", [0, 100])
def test_hue_leaves_grey_as_it_is_and_brightness_multiplies_it(grey):
    pixels = torch.full((50, 2, 2, 3), grey, dtype=torch.uint8)
    hue = Distort(hue=0.5)
    np.testing.assert_allclose(hue(pixels, hue.draw(50, rng())), pixels.float(), atol=0.2)
    bright = Distort(brightness=0.4)
    made = bright(pixels, bright.draw(50, rng()))
    assert 0.6 * grey - 1e-3 <= made.min() <= made.max() <= 1.4 * grey + 1e-3
    assert (made[:, 0, 0].std(dim=1) < 1e-3).all()


def test_half_a_turn_of_hue_mirrors_colour_at_grey_of_the_same_brightness():
    """Orange (180, 120, 60) has Y = 0.299 * 180 + 0.587 * 120 + 0.114 * 60 = 131.1; mirrored at (Y, Y, Y):
    (82.2, 142.2, 202.2)."""
    half = torch.tensor([0.5])
    colour = Distort(hue=1.0)._colours(torch.zeros(1), half)
    made = Distort()(torch.tensor([180, 120, 60], dtype=torch.uint8).view(1, 1, 1, 3), {"colour": colour})
    np.testing.assert_allclose(made.flatten(), [82.2, 142.2, 202.2], atol=0.5)


def test_values_stay_in_their_range():
    distort = Distort(brightness=0.9, hue=0.5)
    made = distort(noise(64), distort.draw(64, rng()))
    assert 0 <= made.min() <= made.max() <= 255


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    distort = Distort((0.3, 1.0), (0.5, 2.0), 20.0, 0.4, 0.3)
    distort(noise(), distort.draw(4, rng()))
    assert torch.equal(torch.random.get_rng_state(), before)
