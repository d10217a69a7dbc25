"""The detector on drawn people: upright, turned, small, many, none; and its weights where they are damaged."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_people import BLANK, group, person
from PIL import Image

from pipeline.errors import EncoderError
from pipeline.faces import Face, FaceDetector
from pipeline.faces.detector import load_detector
from pipeline.faces.rotation import RotatingDetector
from pipeline.faces.yunet import YuNet
from pipeline.images.alignment import Alignment

TURNS = [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_detector()


def only(faces: list[Face]) -> Face:
    assert len(faces) == 1
    return faces[0]


def between_eyes(face: Face) -> float:
    return float(np.linalg.norm(face.landmarks[0] - face.landmarks[1]))


def off(face: Face, expected: np.ndarray) -> float:
    """Mean distance of the landmarks from the expected ones, in eye distances."""
    return float(np.linalg.norm(face.landmarks - expected, axis=1).mean()) / between_eyes(face)


def test_the_landmarks_are_in_the_promised_order_and_inside_the_box(detector: FaceDetector) -> None:
    face = only(detector.detect(person()))
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks.tolist()
    assert face.landmarks.dtype == np.float32
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    x, y, width, height = face.box
    assert ((face.landmarks > (x, y)) & (face.landmarks < (x + width, y + height))).all()
    assert 0.6 <= face.score <= 1


@pytest.mark.parametrize("times", [0.35, 3.0, 8.0])
def test_coordinates_are_those_of_the_picture_whatever_its_size(detector: FaceDetector, times: float) -> None:
    picture, expected = person(), only(detector.detect(person()))
    scaled = picture.resize((round(picture.width * times), round(picture.height * times)), Image.Resampling.BICUBIC)
    face = only(detector.detect(scaled))
    assert off(face, expected.landmarks * times) < 0.12


@pytest.mark.parametrize("degrees", [-30, 20])
def test_landmarks_turn_with_the_picture(detector: FaceDetector, degrees: int) -> None:
    picture = person()
    expected, face = only(detector.detect(picture)), only(detector.detect(picture.rotate(degrees)))
    a, middle = math.radians(-degrees), np.array(picture.size) / 2  # Pillow turns counter-clockwise, y points down
    turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    assert off(face, (expected.landmarks - middle) @ turn.T + middle) < 0.15


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name)
def test_a_picture_on_its_side_gives_the_same_upright_face(detector: FaceDetector, turn: Image.Transpose) -> None:
    upright, turned = person(), person().transpose(turn)
    expected = Alignment().crop(upright, only(detector.detect(upright)).landmarks, 64)
    face = only(detector.detect(turned))
    x, y, width, height = face.box
    assert ((face.landmarks > (x, y)) & (face.landmarks < (x + width, y + height))).all()
    found = Alignment().crop(turned, face.landmarks, 64)
    assert np.abs(np.asarray(found, np.int16) - np.asarray(expected, np.int16)).mean() < 3


@dataclass(frozen=True)
class Unsure:
    """Sees one face in every picture: 0.5 in a wide one, `turned` in a high one."""

    turned: float
    identity: Mapping[str, Any] = field(default_factory=dict)

    def detect(self, picture: Image.Image) -> list[Face]:
        score = 0.5 if picture.width > picture.height else self.turned
        return [Face((1, 2, 3, 4), np.zeros((5, 2), np.float32), score)]


@pytest.mark.parametrize(("turned", "kept"), [(0.8, 0.5), (0.9, 0.9)], ids=["as unsure", "sure"])
def test_a_turned_picture_counts_only_where_its_face_is_sure(turned: float, kept: float) -> None:
    assert only(RotatingDetector(Unsure(turned)).detect(Image.new("RGB", (40, 20)))).score == kept


def test_without_turning_a_face_on_its_side_is_not_surely_found() -> None:
    sideways = person().transpose(Image.Transpose.ROTATE_90)
    assert not [face for face in load_detector(rotate=False).detect(sideways) if face.score > 0.8]


def test_a_face_of_twenty_pixels_is_found_where_it_is(detector: FaceDetector) -> None:
    small = person(1)
    small = small.resize((33, round(33 * small.height / small.width)), Image.Resampling.LANCZOS)  # its face: 20
    picture = Image.new("RGB", (640, 480), (90, 90, 90))
    picture.paste(small, (500, 100))
    x, y, width, height = only(detector.detect(picture)).box
    assert 508 < x + width / 2 < 526
    assert 112 < y + height / 2 < 132


def test_everybody_in_a_group_is_found_once_the_largest_first(detector: FaceDetector) -> None:
    faces = detector.detect(group(6))
    sizes = [face.box[2] * face.box[3] for face in faces]
    assert len(faces) == 6
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("size", [(90, 120), (1, 1), (1, 500), (700, 3)])
def test_where_nobody_is_nobody_is_found(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert detector.detect(BLANK.resize(size)) == []


def test_threads_find_what_one_finds_alone(detector: FaceDetector) -> None:
    pictures = [person(i) for i in range(4)] * 2
    alone = [only(detector.detect(picture)).landmarks for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [only(faces).landmarks for faces in pool.map(detector.detect, pictures)]
    np.testing.assert_array_equal(alone, together)


def test_the_identity_is_plain_and_names_weights_and_thresholds(detector: FaceDetector) -> None:
    identity = json.loads(json.dumps(dict(detector.identity)))
    assert identity == dict(detector.identity)
    assert len(identity["weights"]) == 64
    assert {"recipe", "version", "network", "threshold", "overlap", "turns_below"} <= set(identity)
    assert dict(load_detector(rotate=False).identity) != identity


def test_other_weights_are_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "weights.onnx"
    with pytest.raises(EncoderError, match=r"found none .*Install fer-stage again"):
        YuNet.load(0.6, 0.3, file)
    file.write_bytes(b"damaged")
    with pytest.raises(EncoderError, match=r"sha256 8f2383e4.*found [0-9a-f]{64}. Install fer-stage again"):
        YuNet.load(0.6, 0.3, file)
