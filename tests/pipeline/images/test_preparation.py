"""Preparation keeps rows and order whatever the pictures are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from image_files import BAD, ODD, PLAIN, encoded, image_row, image_rows_of, noise, write_folder

from pipeline.datasets.roots import Root, open_root
from pipeline.errors import DatasetError
from pipeline.images.decode import decode
from pipeline.images.prepare import ImageBatch, Preparer
from pipeline.images.preprocess import Preprocess
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform
from pipeline.images.views import ViewRecipe

SIZE, PIXELS = 16, 24
PREPROCESS = Preprocess(SIZE)
ONLY_ERASE = ViewRecipe(flip=0, noise=0, erase=1, colour=0)


def preparer(root: Root, sizes: tuple[int, ...] = (SIZE,), views: ViewRecipe | None = None, seed: int = 0) -> Preparer:
    return Preparer(root, ImageTransform(PREPROCESS, sizes, views=views or ViewRecipe(), seed=seed))


def prepare(files: Mapping[str, bytes], images: list[ImageRow], folder: Path, **options: object) -> ImageBatch:
    with open_root(write_folder(files, folder / "images")) as root:
        return preparer(root, **options)(images)  # type: ignore[arg-type]  # options of preparer


def erased_box(square: np.ndarray, fill: int) -> list[float]:
    rows, columns = np.nonzero((square == fill).all(axis=-1))
    return [edge / len(square) for edge in (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)]


class TestPictures:
    def test_bad_ones_keep_their_rows_and_the_others_their_order(self, tmp_path: Path) -> None:
        good, bad = list(ODD.items()), [(name, data) for name, (data, _) in BAD.items()]
        files = dict(item for pair in zip(good, bad, strict=False) for item in pair) | ODD
        prepared = prepare(files, image_rows_of(files), tmp_path)
        names = list(files)
        assert {names[row]: reason for row, reason in prepared.rejected.items()} == {n: BAD[n][1] for n in BAD}
        assert [names[row] for row in prepared.rows] == [name for name in names if name in ODD]
        assert prepared.views.tolist() == [0] * len(ODD)
        for square, row in zip(prepared.squares[SIZE], prepared.rows, strict=True):
            np.testing.assert_array_equal(square, PREPROCESS(decode(files[names[row]])), names[row])

    @pytest.mark.parametrize("name", ["upside-down.png", "named-wrong.jpg"])
    def test_the_same_picture_in_another_wrapping_gives_the_same_square(self, name: str, tmp_path: Path) -> None:
        prepared = prepare(ODD, image_rows_of({name: ODD[name]}), tmp_path)
        np.testing.assert_array_equal(prepared.squares[SIZE][0], PREPROCESS(PLAIN))

    def test_shapes_and_types(self, tmp_path: Path) -> None:
        prepared = prepare(ODD, image_rows_of(ODD, views=(0, 1)), tmp_path, sizes=(SIZE, PIXELS))
        assert {size: made.shape for size, made in prepared.squares.items()} == {
            size: (2 * len(ODD), size, size, 3) for size in (SIZE, PIXELS)
        }
        assert {made.dtype for made in prepared.squares.values()} == {np.dtype(np.uint8)}
        assert prepared.rows.dtype == prepared.views.dtype == np.intp

    def test_where_nothing_is_usable_nothing_is_made(self, tmp_path: Path) -> None:
        files = {name: data for name, (data, _) in BAD.items()}
        prepared = prepare(files, image_rows_of(files, views=(0, 1)), tmp_path)
        assert prepared.squares[SIZE].shape == (0, SIZE, SIZE, 3)
        assert prepared.rows.size == prepared.views.size == 0
        assert sorted(prepared.rejected) == list(range(len(BAD)))


class TestBoxes:
    def test_a_box_is_cut_out_before_anything_else(self, tmp_path: Path) -> None:
        data = ODD["plain.png"]
        prepared = prepare(ODD, [image_row(5, "plain.png", data, box=(4, 2, 10, 12))], tmp_path)
        np.testing.assert_array_equal(prepared.squares[SIZE][0], PREPROCESS(PLAIN[2:14, 4:14]))

    def test_a_box_outside_rejects_its_row_only(self, tmp_path: Path) -> None:
        data = ODD["plain.png"]
        images = [image_row(0, "plain.png", data, box=(99, 99, 5, 5)), image_row(1, "plain.png", data)]
        prepared = prepare(ODD, images, tmp_path)
        assert prepared.rejected == {0: "box lies outside the image"}
        assert prepared.rows.tolist() == [1]


class TestViews:
    def test_follow_their_image_in_the_order_asked_for(self, tmp_path: Path) -> None:
        prepared = prepare(ODD, image_rows_of(ODD, views=(0, 1, 2)), tmp_path)
        assert prepared.rows.tolist() == [row for row in range(len(ODD)) for _ in range(3)]
        assert prepared.views.tolist() == [0, 1, 2] * len(ODD)

    def test_depend_on_image_box_seed_and_number_alone(self, tmp_path: Path) -> None:
        data = ODD["plain.png"]
        files = {"plain.png": data, "copy.png": data}
        box = (1, 1, 20, 15)
        images = [
            image_row(0, "plain.png", data, views=(0, 1, 2)),
            image_row(9, "copy.png", data, views=(1,)),
            image_row(2, "copy.png", data, box=box, views=(1,)),
        ]
        with open_root(write_folder(files, tmp_path / "images")) as root:
            plain, first, second, elsewhere, boxed = preparer(root)(images).squares[SIZE]
            reseeded = preparer(root, seed=1)(images).squares[SIZE][1]
        np.testing.assert_array_equal(first, elsewhere)
        np.testing.assert_array_equal(plain, PREPROCESS(PLAIN))
        different = {made.tobytes() for made in (plain, first, second, boxed, reseeded)}
        assert len(different) == 5

    def test_every_square_of_a_view_is_flipped_alike(self, tmp_path: Path) -> None:
        recipe = ViewRecipe(flip=0.5, noise=0, erase=0, colour=0)
        images = [image_row(0, "plain.png", ODD["plain.png"], views=tuple(range(1, 17)))]
        prepared = prepare(ODD, images, tmp_path, sizes=(SIZE, PIXELS), views=recipe)
        mirrored = {
            size: [np.array_equal(made, PREPROCESS.with_size(size)(PLAIN)[:, ::-1]) for made in prepared.squares[size]]
            for size in (SIZE, PIXELS)
        }
        assert mirrored[SIZE] == mirrored[PIXELS]
        assert set(mirrored[SIZE]) == {True, False}

    def test_every_square_of_a_view_loses_the_same_part_to_the_mean_colour(self, tmp_path: Path) -> None:
        flat = {"flat.png": encoded(np.full((90, 90, 3), 250, np.uint8))}
        images = image_rows_of(flat, views=range(1, 9))
        prepared = prepare(flat, images, tmp_path, sizes=(64, 96), views=ONLY_ERASE)
        mean_colour = 128  # 255 * 0.5, rounded to even
        for small, large in zip(prepared.squares[64], prepared.squares[96], strict=True):
            assert set(np.unique(small)) == {mean_colour, 250}
            one_pixel_and_rounding = 1.5 / 64
            np.testing.assert_allclose(
                erased_box(small, mean_colour), erased_box(large, mean_colour), atol=one_pixel_and_rounding
            )


class TestAnotherDataset:
    """A file that is not the one in the table is no bad image."""

    def test_a_vanished_file_stops_everything(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"gone\.png was there when it was indexed, now: file is missing"):
            prepare(ODD, [*image_rows_of(ODD), image_row(77, "gone.png", b"x")], tmp_path)

    def test_a_changed_file_stops_everything(self, tmp_path: Path) -> None:
        images = image_rows_of({"plain.png": encoded(noise(24, 18, seed=1))})
        with pytest.raises(DatasetError, match=r"plain\.png is not the file that was indexed \(row 0\)\. Index"):
            prepare(ODD, images, tmp_path)
