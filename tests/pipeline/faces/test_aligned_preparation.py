"""What an encoder is fed where a face is known: the face, in every size, in every view."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from drawn_people import person
from image_files import encoded, image_row, write_folder

from pipeline.datasets.roots import open_root
from pipeline.faces.detector import load_detector
from pipeline.images.alignment import Alignment
from pipeline.images.prepare import ImageBatch, Preparer
from pipeline.images.preprocess import Preprocess
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform
from pipeline.images.views import ViewRecipe

DATA = encoded(np.asarray(person()))
FACE = load_detector().detect(person())[0].landmarks.astype(np.float64).round(2)
POINTS = tuple(FACE.ravel().tolist())
PLAIN = ViewRecipe(flip=0, noise=0, erase=0, colour=0)


def prepared(images: Sequence[ImageRow], folder: Path, sizes: tuple[int, ...] = (32,), **given: object) -> ImageBatch:
    views = given.get("views", ViewRecipe())
    assert isinstance(views, ViewRecipe)
    files = folder / "pictures"
    if not files.exists():
        write_folder({"one.png": DATA}, files)
    with open_root(files) as root:
        preparer = Preparer(root, ImageTransform(Preprocess(32), sizes, Alignment(0.1), views))
        return preparer(pickle.loads(pickle.dumps(images)))


def aligned(size: int) -> np.ndarray:
    return np.asarray(Alignment(0.1).crop(person(), FACE, size))


def test_a_known_face_is_cropped_for_every_size(tmp_path: Path) -> None:
    made = prepared([image_row(0, "one.png", DATA, face=POINTS)], tmp_path, sizes=(32, 80))
    for size in (32, 80):
        np.testing.assert_array_equal(made.squares[size][0], aligned(size))


def test_a_known_face_makes_the_box_unimportant(tmp_path: Path) -> None:
    boxed, plain = (image_row(0, "one.png", DATA, face=POINTS, box=box) for box in ((1, 2, 30, 30), None))
    np.testing.assert_array_equal(prepared([boxed], tmp_path).squares[32], prepared([plain], tmp_path).squares[32])


def test_an_image_without_a_known_face_is_taken_whole(tmp_path: Path) -> None:
    made = prepared([image_row(0, "one.png", DATA)], tmp_path)
    np.testing.assert_array_equal(made.squares[32][0], Preprocess(32).square(person()))


def test_augmentations_are_of_the_face(tmp_path: Path) -> None:
    made = prepared([image_row(0, "one.png", DATA, face=POINTS, views=(0, 1))], tmp_path, views=PLAIN)
    np.testing.assert_array_equal(made.squares[32][1], made.squares[32][0])
    mirror = ViewRecipe(flip=1, noise=0, erase=0, colour=0)
    flipped = prepared([image_row(0, "one.png", DATA, face=POINTS, views=(1,))], tmp_path, views=mirror)
    np.testing.assert_array_equal(flipped.squares[32][0], aligned(32)[:, ::-1])


def test_a_view_does_not_depend_on_other_outputs(tmp_path: Path) -> None:
    images = [image_row(0, "one.png", DATA, face=POINTS, views=(1, 2, 3))]
    alone, with_others = prepared(images, tmp_path), prepared(images, tmp_path, sizes=(32, 80))
    np.testing.assert_array_equal(alone.squares[32], with_others.squares[32])


def test_landmarks_that_are_no_face_reject_the_row(tmp_path: Path) -> None:
    made = prepared([image_row(7, "one.png", DATA, face=(3.0,) * 10)], tmp_path)
    assert made.rejected == {7: "face landmarks are not five points"}
