"""The search of predict in rotated pictures: at full size only where a reduced picture shows a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from drawn_people import BLANK, group, person
from PIL import Image

from pipeline.faces import Face, FaceDetector
from pipeline.faces.detector import load_detector
from pipeline.faces.rotation import ROTATIONS, RotatingDetector
from pipeline.faces.yunet import YuNet

LARGE = (1600, 1200)
UNDONE_BY = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_180: Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}


@pytest.fixture(scope="module")
def full() -> FaceDetector:
    return load_detector()


@pytest.fixture(scope="module")
def screened() -> RotatingDetector:
    detector = load_detector(screen=True)
    assert isinstance(detector, RotatingDetector)
    return detector


def on_grey(face: Image.Image, width: int) -> Image.Image:
    """A large picture with one person in it, whose picture is so wide."""
    picture = Image.new("RGB", LARGE, (90, 90, 90))
    picture.paste(face.resize((width, round(width * face.height / face.width)), Image.Resampling.LANCZOS), (900, 200))
    return picture


def same(a: Sequence[Face], b: Sequence[Face]) -> bool:
    return len(a) == len(b) and all(
        one.box == other.box and one.score == other.score and np.array_equal(one.landmarks, other.landmarks)
        for one, other in zip(a, b, strict=True)
    )


def candidates(detector: RotatingDetector, picture: Image.Image) -> Sequence[Image.Transpose]:
    assert detector.screen is not None
    return detector.screen(picture)


@pytest.mark.parametrize(
    "picture",
    [person(), group(6), BLANK, BLANK.resize(LARGE), on_grey(person(1), 130), Image.new("RGB", (1, 1))],
    ids=["person", "group", "blank", "large blank", "large", "one pixel"],
)
def test_upright_pictures_give_the_same_faces_bit_for_bit(
    picture: Image.Image, full: FaceDetector, screened: RotatingDetector
) -> None:
    assert same(full.detect(picture), screened.detect(picture))


@pytest.mark.parametrize("width", [130, 500])
@pytest.mark.parametrize("turn", ROTATIONS, ids=lambda turn: turn.name)
def test_large_rotated_pictures_give_the_same_faces_bit_for_bit(
    turn: Image.Transpose, width: int, full: FaceDetector, screened: RotatingDetector
) -> None:
    picture = on_grey(person(1), width).transpose(turn)
    assert UNDONE_BY[turn] in candidates(screened, picture)
    faces = full.detect(picture)
    assert faces[0].score > 0.88
    assert same(faces, screened.detect(picture))


def test_small_pictures_are_searched_in_every_rotation(screened: RotatingDetector) -> None:
    assert candidates(screened, BLANK) == ROTATIONS
    assert candidates(screened, BLANK.resize((400, 300))) == ROTATIONS


@pytest.mark.parametrize("size", [LARGE, (1200, 1600), (6000, 4500)])
def test_a_large_picture_without_a_face_is_searched_in_no_other_rotation(
    size: tuple[int, int], screened: RotatingDetector
) -> None:
    assert list(candidates(screened, BLANK.resize(size))) == []


@pytest.mark.parametrize("size", [(9000, 4), (5, 3000), (900, 3), (1, 1)])
def test_strips_are_searched_without_a_fault(size: tuple[int, int], screened: RotatingDetector) -> None:
    assert screened.detect(BLANK.resize(size)) == []


def test_the_identity_states_the_screen() -> None:
    assert load_detector(screen=True).identity == {**load_detector().identity, "turns": "screened"}
    assert load_detector(screen=True, rotate=False).identity == load_detector(rotate=False).identity


@dataclass(frozen=True)
class OnlyHigh:
    """Sees a sure face in high pictures, none in wide ones; notes the sizes that it was called with."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    identity: Mapping[str, Any] = field(default_factory=dict)

    def detect(self, picture: Image.Image) -> list[Face]:
        self.sizes.append(picture.size)
        return [Face((1, 2, 3, 4), np.zeros((5, 2), np.float32), 0.95)] if picture.height > picture.width else []


@pytest.mark.parametrize(
    ("rotations", "n_searches", "n_faces"),
    [((), 1, 0), ((Image.Transpose.ROTATE_180,), 2, 0), ((Image.Transpose.ROTATE_90,), 2, 1), (ROTATIONS, 4, 1)],
)
def test_only_the_rotations_of_the_screen_are_searched(
    rotations: tuple[Image.Transpose, ...], n_searches: int, n_faces: int
) -> None:
    upright = OnlyHigh()
    faces = RotatingDetector(upright, lambda _picture: rotations).detect(Image.new("RGB", (40, 20)))
    assert (len(upright.sizes), len(faces)) == (n_searches, n_faces)


def test_a_network_that_had_other_shapes_detects_what_a_new_one_does() -> None:
    widths = [40, 300, 70, 900, 140, 500]
    pictures = [person(2).resize((width, round(width * 1.1)), Image.Resampling.BICUBIC) for width in widths]
    used = YuNet.load(0.3, 0.3)
    for picture in pictures * 2:
        assert same(YuNet.load(0.3, 0.3).detect(picture), used.detect(picture))


def test_a_threshold_of_one_call_is_not_that_of_the_next() -> None:
    network, picture = YuNet.load(0.94, 0.3), group(6)
    strict = network.detect(picture)
    assert len(network.detect(picture, 0.05)) > len(strict)
    assert same(network.detect(picture), strict)
