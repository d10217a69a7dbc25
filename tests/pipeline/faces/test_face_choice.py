"""Of several faces the one that a dataset means."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_people import BLANK, group
from PIL import Image

from pipeline.faces import Box, Face
from pipeline.faces.detector import load_detector
from pipeline.faces.search import NO_FACE, find_face
from pipeline.faces.selection import face_of_box, main_face


def at(*box: float) -> Face:
    x, y, width, height = box
    return Face((x, y, width, height), np.zeros((5, 2), np.float32), 0.9)


@pytest.mark.parametrize(
    ("boxes", "chosen"),
    [
        ([(40, 40, 20, 20), (0, 0, 22, 22)], 0),  # about as large, but in the corner
        ([(0, 0, 60, 60), (45, 45, 10, 10)], 0),  # much larger, though beside the middle
        ([(30, 30, 40, 40)], 0),
    ],
    ids=["centre", "large", "alone"],
)
def test_without_a_box_it_is_the_large_one_near_the_centre(boxes: list[Box], chosen: int) -> None:
    faces = [at(*box) for box in boxes]
    assert main_face(faces, (100, 100)) is faces[chosen]


def test_with_a_box_it_is_the_one_that_overlaps_it_best() -> None:
    faces = [at(0, 0, 80, 80), at(10, 10, 20, 20), at(80, 80, 20, 20)]
    assert face_of_box(faces, (8, 8, 24, 24)) is faces[1]
    assert face_of_box(faces[2:], (8, 8, 24, 24)) is None
    neighbour = at(30, 8, 24, 24)
    assert face_of_box([neighbour], (8, 8, 24, 24)) is None
    assert face_of_box([], (8, 8, 24, 24)) is main_face([], (5, 5)) is None


def test_a_box_in_a_group_names_a_person_and_coordinates_are_of_the_whole_picture() -> None:
    detector, picture = load_detector(), group(6)
    people = detector.detect(picture)
    assert len(people) == 6
    for expected in people:
        x, y, width, height = (round(value) for value in expected.box)
        detection = find_face(picture, (x, y, width, height), detector)
        assert detection.face is not None
        apart = np.linalg.norm(detection.face.landmarks - expected.landmarks, axis=1).mean()
        assert apart < 0.1 * width
        np.testing.assert_allclose(detection.face.box, expected.box, atol=0.2 * width)


def test_landmarks_are_rounded_so_that_two_machines_agree() -> None:
    detection = find_face(group(6), None, load_detector())
    assert detection.face is not None
    assert detection.n_faces == 6
    np.testing.assert_array_equal(detection.face.landmarks, detection.face.landmarks.round(2))


def test_where_no_face_is_there_is_a_reason() -> None:
    detector = load_detector()
    assert find_face(BLANK, None, detector).reason == NO_FACE
    assert find_face(BLANK, (5, 5, 30, 30), detector).reason == NO_FACE
    assert find_face(BLANK, (500, 5, 30, 30), detector).reason == "box lies outside the image"
    assert find_face(Image.new("RGB", (1, 1)), None, detector).face is None
