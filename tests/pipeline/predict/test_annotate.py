"""Annotated pictures: labels are inside, legible and apart, and what was given stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from faces_to_find import people
from PIL import Image

from pipeline.predict.annotate import annotated
from pipeline.predict.prediction import Prediction

GROUND = (1, 2, 3)  # nothing that is drawn has it
Box = tuple[float, float, float, float]


def face(box: Box, expression: str = "happiness") -> Prediction:
    return Prediction("a.png", "face", box=box, score=0.9, expression=expression, probabilities={expression: 0.93})


def drawn(sheet: Image.Image) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what was drawn on the ground."""
    rows, columns = np.nonzero((np.asarray(sheet) != GROUND).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def plain(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), GROUND)


def test_a_picture_without_a_face_is_as_it_was() -> None:
    picture = people(1)
    sheet = annotated(picture, [Prediction("a.png", "no face")])
    assert sheet.tobytes() == picture.resize(sheet.size, Image.Resampling.BICUBIC).tobytes()
    assert min(sheet.size) >= min(picture.size)


def test_the_given_picture_is_not_drawn_on() -> None:
    picture = plain(400, 400)
    annotated(picture, [face((100, 100, 120, 120))])
    assert picture.tobytes() == plain(400, 400).tobytes()


def test_a_large_picture_keeps_its_size_and_shows_box_and_label() -> None:
    sheet = annotated(plain(800, 600), [face((300, 200, 200, 200))])
    assert sheet.size == (800, 600)
    left, top, right, bottom = drawn(sheet)
    assert abs(left - 300) < 8
    assert abs(right - 500) < 8
    assert abs(bottom - 400) < 8
    assert top < 190  # the label is above the box


def test_small_pictures_and_small_faces_are_enlarged_until_they_can_be_read() -> None:
    assert min(annotated(plain(48, 48), [face((4, 4, 40, 40))]).size) >= 320
    assert annotated(plain(640, 480), [face((100, 100, 20, 20))] * 3).size == (640 * 96 // 20, 480 * 96 // 20)
    assert max(annotated(plain(4000, 3000), [face((100, 100, 20, 20))]).size) <= 4096


@pytest.mark.parametrize(
    "box", [(-20, -20, 150, 150), (430, -10, 100, 120), (-40, 400, 100, 130), (450, 450, 100, 100), (0, 0, 500, 500)]
)
def test_a_label_is_never_outside_the_picture(box: Box) -> None:
    """The label is as large as that of a face in the middle of a picture, wherever the face is."""
    label = (230, 159, 0)  # of happiness
    inside = (np.asarray(annotated(plain(500, 500), [face((200, 200, *box[2:]))])) == label).all(axis=2).sum()
    edge = (np.asarray(annotated(plain(500, 500), [face(box)])) == label).all(axis=2).sum()
    frame = 2 * 4 * (box[2] + box[3]) + 500
    assert edge > inside - frame


def test_labels_of_forty_faces_do_not_cover_each_other() -> None:
    """Forty faces in eight columns; each label's own colour block must be there whole."""
    boxes: list[Box] = [(20 + 60 * (i % 8), 25 + 70 * (i // 8), 36, 42) for i in range(40)]
    alone = _ink(annotated(plain(520, 400), [face(boxes[0])]))
    together = _ink(annotated(plain(520, 400), [face(box) for box in boxes]))
    assert together >= 0.95 * 40 * alone


def _ink(sheet: Image.Image) -> int:
    """Pixels that have the colour of labels and frames."""
    return int((np.abs(np.asarray(sheet).astype(int) - (230, 159, 0)).max(axis=2) < 40).sum())


def test_a_long_name_over_a_narrow_face_takes_two_lines() -> None:
    wide = drawn(annotated(plain(600, 600), [face((250, 250, 120, 200))]))
    narrow = drawn(annotated(plain(600, 600), [face((250, 250, 100, 200), "happiness")]))
    assert narrow[2] - narrow[0] <= wide[2] - wide[0]
