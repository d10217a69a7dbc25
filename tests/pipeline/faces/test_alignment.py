"""Five points and a square: worked out by hand, then drawn, turned, shrunk and found again at their places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.errors import ConfigError, ImageError, MismatchError
from pipeline.images.alignment import Alignment, inverted, similarity, transform_points

# ArcFace's published numbers: eyes, nose and mouth corners in a square of 112 pixels.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TURNED = [(0, 1.0, 112), (30, 1.0, 112), (-75, 3.5, 112), (180, 2.0, 48), (12, 0.4, 224), (90, 6.0, 96)]


def moved(points: npt.NDArray[Any], degrees: float, scale: float, centre: float) -> npt.NDArray[np.float64]:
    """Turned about the template's middle, scaled, and put so that the middle is at (centre, centre)."""
    a = math.radians(degrees)
    turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return (points - 56) @ turn.T * scale + centre


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def disc(x: float, y: float, radius: float, side: int) -> Image.Image:
    """White on black, with a soft edge, so that its middle is exactly at the given point."""
    ys, xs = np.mgrid[:side, :side] + 0.5
    white = (radius + 0.5 - np.hypot(xs - x, ys - y)).clip(0, 1) * 255
    return Image.fromarray(white.round().astype(np.uint8)).convert("RGB")


def close(one: Image.Image, other: Image.Image) -> bool:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max()) <= 1


def test_a_turn_a_scale_and_a_shift_are_found() -> None:
    """(x, y) -> 2 * (-y, x) + (3, 4), a quarter turn."""
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [5, 2]])
    target = np.array([[3, 4], [3, 6], [1, 6], [1, 4], [-1, 14]])
    np.testing.assert_allclose(similarity(source, target), [[0, -2, 3], [2, 0, 4]], atol=1e-12)


def test_what_no_similarity_can_do_is_done_in_the_sense_of_least_squares() -> None:
    """Twice as wide and as high as before: sum <b, a> = 2 + 2 + 1 + 1, sum |a|^2 = 4, so the scale is 6 / 4."""
    source = np.array([[-1, 0], [1, 0], [0, 1], [0, -1]])
    target = np.array([[-2, 0], [2, 0], [0, 1], [0, -1]])
    np.testing.assert_allclose(similarity(source, target), [[1.5, 0, 0], [0, 1.5, 0]], atol=1e-12)


def test_a_mirror_image_is_turned_and_never_mirrored() -> None:
    matrix = similarity(TEMPLATE * (-1, 1), TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_the_way_back_leads_back() -> None:
    matrix = similarity(moved(TEMPLATE, 33, 2.5, 70), TEMPLATE)
    np.testing.assert_allclose(
        transform_points(inverted(matrix), transform_points(matrix, TEMPLATE)), TEMPLATE, atol=1e-9
    )


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)], ids=["one place", "nowhere"])
def test_points_that_are_no_face_are_an_image_error(points: npt.NDArray[np.float64]) -> None:
    with pytest.raises(ImageError, match="landmarks"):
        Alignment().crop(noise(20, 20), points, 112)


@pytest.mark.parametrize(("margin", "side"), [(0.0, 112), (0.25, 168), (0.5, 224)])
def test_a_face_that_is_in_its_place_already_comes_out_as_it_is(margin: float, side: int) -> None:
    """A margin of 0.25 adds a quarter of 112 pixels on each side: 28 + 112 + 28 = 168."""
    picture = noise(side, side)
    assert close(Alignment(margin).crop(picture, TEMPLATE + margin * 112, side), picture)


@pytest.mark.parametrize(("degrees", "scale", "size"), TURNED)
def test_every_landmark_comes_to_its_place_to_a_pixel(degrees: float, scale: float, size: int) -> None:
    side = round(250 * scale)
    points = moved(TEMPLATE, degrees, scale, side / 2)
    for i, (x, y) in enumerate(points):
        pixels = np.asarray(Alignment().crop(disc(x, y, 5 * scale, side), points, size).convert("L"), np.float64)
        ys, xs = np.mgrid[:size, :size] + 0.5
        centre = (xs * pixels).sum() / pixels.sum(), (ys * pixels).sum() / pixels.sum()
        np.testing.assert_allclose(centre, TEMPLATE[i] * size / 112, atol=0.5)


def test_a_picture_turned_by_quarters_gives_the_same_face() -> None:
    upright, picture = moved(TEMPLATE, 0, 1.5, 100), noise(200, 200)
    face = Alignment().crop(picture, upright, 192)
    turned = np.stack([upright[:, 1], 200 - upright[:, 0]], axis=1)  # counter-clockwise: (x, y) -> (y, W - x)
    assert close(Alignment().crop(picture.transpose(Image.Transpose.ROTATE_90), turned, 192), face)


def test_a_face_that_shrinks_is_averaged_not_sampled() -> None:
    """A chequered picture of 1120 pixels becomes an even grey at a tenth of it; every tenth pixel would be black or
    white."""
    squares = (np.indices((1120, 1120)).sum(0) % 2 * 255).astype(np.uint8)
    face = np.asarray(Alignment().crop(Image.fromarray(squares).convert("RGB"), moved(TEMPLATE, 20, 6, 560), 112))
    assert np.abs(face[30:80, 30:80].astype(int) - 127).max() <= 8


def test_what_sticks_out_of_the_picture_is_black() -> None:
    """The face's middle is on the left edge: the left half of the square shows nothing."""
    white = Image.new("RGB", (112, 112), (255, 255, 255))
    face = np.asarray(Alignment().crop(white, TEMPLATE - (56, 0), 112))
    assert (face[:, :55] == 0).all()
    assert (face[:, 57:] == 255).all()


def test_a_face_outside_the_picture_is_an_image_error() -> None:
    with pytest.raises(ImageError, match="outside"):
        Alignment().crop(noise(50, 50), TEMPLATE + 1000, 112)


def test_the_recipe_comes_back_from_a_key_and_another_one_is_refused() -> None:
    record = {**Alignment(0.2).as_json(), "missed": "reject", "detector": {"network": "x"}}
    assert Alignment.from_json(record) == Alignment(0.2)
    with pytest.raises(MismatchError, match=r"version 99.*version 1"):
        Alignment.from_json(record | {"version": 99})


@pytest.mark.parametrize("margin", [-0.3, 2.1])
def test_a_margin_that_leaves_no_face_is_refused(margin: float) -> None:
    with pytest.raises(ConfigError, match="margin"):
        Alignment(margin)
