"""Views are drawn once, from nothing but seed, image, box and view; and each changes only what its recipe allows."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import noise
from PIL import Image

from pipeline.images.views import ViewRecipe, view_rng

Pixels = npt.NDArray[np.uint8]

NOTHING = ViewRecipe(flip=0, noise=0, erase=0, colour=0)
FILL = (1, 2, 3)
DIGEST, OTHER_DIGEST = "a" * 64, "b" * 64
PICTURE = noise(31, 23)
GREY = np.full((256, 256, 3), 128, np.uint8)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def erased_share(image: Pixels) -> float:
    return float((image == FILL).all(axis=-1).mean())


def erased_box(image: Pixels) -> list[float]:
    """Edges of the erased rectangle as shares of the sides: top, bottom, left, right."""
    rows, columns = np.nonzero((image == FILL).all(axis=-1))
    side = len(image)
    return [rows.min() / side, (rows.max() + 1) / side, columns.min() / side, (columns.max() + 1) / side]


class TestRandomness:
    def test_is_the_same_for_the_same_image(self) -> None:
        draws = [view_rng(7, DIGEST, (1, 2, 3, 4), 2).random(4).tolist() for _ in range(2)]
        assert draws[0] == draws[1]

    def test_is_the_same_on_every_machine_for_ever(self) -> None:
        """Cached views of two machines must agree: sha256 and PCG64 are both fixed by their specifications."""
        assert view_rng(0, DIGEST, None, 1).integers(0, 1000, 4).tolist() == [988, 508, 465, 991]

    def test_differs_in_each_of_its_four_names(self) -> None:
        names = [
            (0, DIGEST, None, 1),
            (1, DIGEST, None, 1),
            (0, OTHER_DIGEST, None, 1),
            (0, DIGEST, (0, 0, 9, 9), 1),
            (0, DIGEST, (0, 0, 9, 8), 1),
            (0, DIGEST, None, 2),
            (0, DIGEST, None, 11),
        ]
        draws = [view_rng(*name).random() for name in names]
        assert all(abs(a - b) > 1e-9 for a, b in combinations(draws, 2))


class TestFlip:
    def test_only_mirrors(self) -> None:
        recipe = ViewRecipe(flip=1, noise=0, erase=0, colour=0)
        assert np.array_equal(recipe.before_resize(PICTURE, seeded()), PICTURE)
        assert np.array_equal(recipe.after_resize(PICTURE, seeded(), FILL), PICTURE[:, ::-1])

    def test_comes_as_often_as_its_chance_says(self) -> None:
        recipe = ViewRecipe(flip=0.25, noise=0, erase=0, colour=0)
        flipped = [not np.array_equal(recipe.after_resize(PICTURE, seeded(i), FILL), PICTURE) for i in range(400)]
        assert np.mean(flipped) == pytest.approx(0.25, abs=0.07)


class TestNoise:
    RECIPE = ViewRecipe(flip=0, noise=1, erase=0, colour=0)

    def test_has_the_variance_of_the_recipe_and_no_bias(self) -> None:
        noisy = self.RECIPE.before_resize(GREY, seeded()).astype(float)
        assert noisy.var() == pytest.approx(30, rel=0.02)
        assert noisy.mean() == pytest.approx(128, abs=0.1)

    def test_differs_between_channels(self) -> None:
        noisy = self.RECIPE.before_resize(GREY, seeded())
        assert not np.array_equal(noisy[..., 0], noisy[..., 1])

    @pytest.mark.parametrize("value", [0, 255])
    def test_never_wraps_around(self, value: int) -> None:
        noisy = self.RECIPE.before_resize(np.full((64, 64, 3), value, np.uint8), seeded())
        assert abs(noisy.astype(int) - value).max() < 64


class TestErasing:
    RECIPE = ViewRecipe(flip=0, noise=0, erase=1, colour=0)

    @settings(max_examples=80, deadline=None)
    @given(st.integers(0, 2**32))
    def test_covers_what_the_recipe_says_in_the_mean_colour(self, seed: int) -> None:
        made = self.RECIPE.after_resize(GREY, seeded(seed), FILL)
        top, bottom, left, right = erased_box(made)
        low, high = self.RECIPE.erase_area
        rounding = 0.01
        assert low - rounding <= erased_share(made) <= high + rounding
        assert erased_share(made) == pytest.approx((bottom - top) * (right - left))  # one whole rectangle
        assert 0.25 < (bottom - top) / (right - left) < 4
        untouched = (made != FILL).all(axis=-1)
        assert (made[untouched] == 128).all()

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32), st.integers(1, 9))
    def test_stays_inside_the_smallest_squares(self, seed: int, side: int) -> None:
        square = np.full((side, side, 3), 128, np.uint8)
        assert self.RECIPE.after_resize(square, seeded(seed), FILL).shape == square.shape

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32))
    def test_erases_the_same_share_of_a_square_of_another_size(self, seed: int) -> None:
        small, large = np.full((64, 64, 3), 128, np.uint8), np.full((128, 128, 3), 128, np.uint8)
        boxes = [erased_box(self.RECIPE.after_resize(square, seeded(seed), FILL)) for square in (small, large)]
        one_pixel_and_rounding = 1.5 / 64
        np.testing.assert_allclose(*boxes, atol=one_pixel_and_rounding)


class TestColour:
    def test_brightness_alone_keeps_the_hue(self) -> None:
        recipe = ViewRecipe(flip=0, noise=0, erase=0, colour=1, brightness=0.4, hue=0)
        made = recipe.before_resize(np.full((4, 4, 3), (120, 60, 60), np.uint8), seeded(1))[0, 0].astype(float)
        assert made[0] != 120
        assert 0.6 - 0.02 <= made[0] / 120 <= 1.4 + 0.02
        assert made[0] / made[1] == pytest.approx(2, rel=0.05)
        assert made[1] == made[2]

    def test_hue_alone_keeps_the_brightness(self) -> None:
        recipe = ViewRecipe(flip=0, noise=0, erase=0, colour=1, brightness=0, hue=0.3)
        picture = np.full((4, 4, 3), (200, 40, 40), np.uint8)
        made = [recipe.before_resize(picture, seeded(i))[0, 0] for i in range(12)]
        assert {int(pixel.max()) for pixel in made} == {200}
        assert len({pixel.tobytes() for pixel in made}) > 6

    def test_a_third_of_a_turn_makes_green_of_red(self) -> None:
        """Hue 0 (red) plus a third of a turn is hue 1/3 (green); a third back is blue."""
        red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
        hues = set()
        for seed in range(200):
            recipe = ViewRecipe(flip=0, noise=0, erase=0, colour=1, brightness=0, hue=1 / 3)
            pixel = recipe.before_resize(red, seeded(seed))[:1, :1]
            hues.add(int(np.array(Image.fromarray(pixel).convert("HSV"))[0, 0, 0]))
        turns = {hue if hue < 128 else hue - 256 for hue in hues}
        assert -86 <= min(turns) < -60
        assert 60 < max(turns) <= 86

    def test_grey_stays_grey(self) -> None:
        made = ViewRecipe(flip=0, noise=0, erase=0, colour=1).before_resize(GREY, seeded(3))
        assert (made == made[0, 0, 0]).all()


class TestEveryRecipe:
    @settings(max_examples=80, deadline=None)
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
    def test_keeps_shape_and_dtype_and_the_picture_it_was_given(self, width: int, height: int, seed: int) -> None:
        recipe = ViewRecipe(flip=1, noise=1, erase=1, colour=1)
        picture = noise(width, height)
        before = picture.copy()
        made = recipe.after_resize(recipe.before_resize(picture, seeded(seed)), seeded(seed), FILL)
        assert (made.shape, made.dtype, made.flags.c_contiguous) == (picture.shape, np.uint8, True)
        assert np.array_equal(picture, before)

    def test_without_chances_nothing_happens(self) -> None:
        for seed in range(20):
            made = NOTHING.after_resize(NOTHING.before_resize(PICTURE, seeded(seed)), seeded(seed), FILL)
            assert np.array_equal(made, PICTURE)

    def test_as_json_holds_every_field(self) -> None:
        recipe = ViewRecipe(erase_area=(0.1, 0.2))
        assert json.loads(json.dumps(recipe.as_json())) == vars(recipe) | {
            "erase_area": [0.1, 0.2],
            "erase_aspect": [0.3, 3.3],
        }
