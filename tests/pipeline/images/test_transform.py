"""A picture becomes the same squares whoever hands it over: as numbers of a table, or as an array of a detector."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import noise
from PIL import Image

from pipeline.errors import ImageError
from pipeline.images.alignment import Alignment
from pipeline.images.preprocess import Preprocess
from pipeline.images.transform import ImageTransform

PICTURE = Image.fromarray(noise(90, 70))
FACE = ((30.12, 25.5), (52.07, 24.99), (41.3, 38.01), (33.33, 49.2), (50.5, 48.76))
PREPROCESS = Preprocess(16)
TRANSFORM = ImageTransform(PREPROCESS, (16, 24), Alignment(0.1))


def test_landmarks_are_taken_in_hundredths_whatever_their_type() -> None:
    """A table has 30.12; float32 has 30.1200008, and a detector 30.1234."""
    expected = {size: np.asarray(Alignment(0.1).crop(PICTURE, np.array(FACE), size)) for size in (16, 24)}
    flat = tuple(value for point in FACE for value in point)
    for face in (FACE, flat, np.array(FACE, np.float32), np.array(FACE) + 0.0034):
        squares = TRANSFORM(PICTURE, face=face)
        assert list(squares) == [16, 24]
        for size, square in squares.items():
            np.testing.assert_array_equal(square, expected[size])


def test_a_face_is_used_whatever_the_box_and_a_box_where_there_is_no_face() -> None:
    box = (10, 5, 40, 30)
    with_face, with_both = TRANSFORM(PICTURE, face=FACE)[16], TRANSFORM(PICTURE, face=FACE, box=box)[16]
    np.testing.assert_array_equal(with_both, with_face)
    boxed = TRANSFORM(PICTURE, box=box)[16]
    np.testing.assert_array_equal(boxed, PREPROCESS.square(PICTURE.crop((10, 5, 50, 35))))
    assert not np.array_equal(boxed, with_face)


def test_view_0_is_the_plain_picture_and_others_are_drawn_from_file_box_and_number() -> None:
    plain, first, second = TRANSFORM.with_views(PICTURE, (0, 1, 2), sha256="a" * 64, face=FACE)
    np.testing.assert_array_equal(plain[16], TRANSFORM(PICTURE, face=FACE)[16])
    (again,) = TRANSFORM.with_views(PICTURE, (1,), sha256="a" * 64, face=FACE)
    (of_another,) = TRANSFORM.with_views(PICTURE, (1,), sha256="b" * 64, face=FACE)
    np.testing.assert_array_equal(again[24], first[24])
    assert len({view[24].tobytes() for view in (plain, first, second, of_another)}) == 4


@pytest.mark.parametrize(
    ("box", "face", "reason"),
    [
        ((99, 99, 5, 5), None, "box lies outside the image"),
        (None, [(500.0 + x, y) for x, y in FACE], "face lies outside the image"),
        (None, [(3.001, 3.002)] * 5, "face landmarks are not five points"),
    ],
)
def test_what_cannot_be_cropped_has_a_reason(
    box: tuple[int, int, int, int] | None, face: list[tuple[float, float]] | None, reason: str
) -> None:
    with pytest.raises(ImageError, match=f"^{reason}$"):
        TRANSFORM(PICTURE, box=box, face=face)
