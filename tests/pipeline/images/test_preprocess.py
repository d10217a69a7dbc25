"""The square that an encoder sees is, bit for bit, the one that open_clip itself would give it."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import noise
from PIL import Image

from pipeline.errors import ConfigError, ImageError
from pipeline.images.preprocess import Preprocess

RESIZES, INTERPOLATIONS = ("shortest", "squash"), ("bicubic", "bilinear")
# width, height: exact, landscape, portrait, odd, upscaled (48: FER2013), thin, one pixel, large
SIZES = [(224, 224), (300, 200), (200, 300), (225, 223), (333, 47), (48, 48), (1, 90), (90, 1), (1, 1), (2600, 1900)]


def open_clips_own(pixels: npt.NDArray[np.uint8], preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    """open_clip's transform without its last two steps, ToTensor and Normalize."""
    transform = open_clip.image_transform(
        preprocess.size, is_train=False, resize_mode=preprocess.resize, interpolation=preprocess.interpolation
    )
    image = Image.fromarray(pixels)
    for step in transform.transforms[:-2]:
        image = step(image)
    return np.asarray(image)


class TestSameAsOpenClip:
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("resize", RESIZES)
    @pytest.mark.parametrize(("width", "height"), SIZES)
    def test_at_224_pixels(self, width: int, height: int, resize: str, interpolation: str) -> None:
        preprocess = Preprocess(224, resize, interpolation)
        pixels = noise(width, height)
        np.testing.assert_array_equal(preprocess(pixels), open_clips_own(pixels, preprocess))

    @settings(max_examples=120, deadline=None)
    @given(
        st.tuples(st.integers(1, 90), st.integers(1, 90)),
        st.integers(1, 60),
        st.sampled_from(RESIZES),
        st.sampled_from(INTERPOLATIONS),
    )
    def test_at_any_size(self, picture: tuple[int, int], size: int, resize: str, interpolation: str) -> None:
        preprocess = Preprocess(size, resize, interpolation)
        pixels = noise(*picture)
        np.testing.assert_array_equal(preprocess(pixels), open_clips_own(pixels, preprocess))


def test_lanczos_is_pillows() -> None:
    pixels = noise(30, 20)
    expected = np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(Preprocess(8, "squash", "lanczos")(pixels), expected)


def test_shortest_keeps_the_middle_and_squash_keeps_all() -> None:
    stripes = np.repeat(np.uint8([[0, 100, 200]]), 10, axis=0).repeat(10, axis=1)  # three squares of 10, side by side
    picture = np.dstack([stripes] * 3)
    assert set(np.unique(Preprocess(10)(picture))) == {100}
    assert {0, 200} <= set(np.unique(Preprocess(10, "squash")(picture)))


def test_the_picture_is_left_alone() -> None:
    pixels = noise(12, 9)
    before = pixels.copy()
    square = Preprocess(4)(pixels)
    assert (square.shape, square.dtype) == ((4, 4, 3), np.uint8)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("shape", [(400_000, 1, 3), (1, 400_000, 3)])
def test_a_picture_that_would_fill_the_memory_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ImageError, match=r"^image is too narrow$"):
        Preprocess(224)(np.zeros(shape, np.uint8))
    assert Preprocess(8, "squash")(np.zeros(shape, np.uint8)).shape == (8, 8, 3)


def test_with_size_changes_nothing_else() -> None:
    preprocess = Preprocess(224, "squash", "bilinear", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert preprocess.with_size(96) == Preprocess(96, "squash", "bilinear", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_as_json_tells_any_two_apart() -> None:
    different = [
        Preprocess(224),
        Preprocess(336),
        Preprocess(224, "squash"),
        Preprocess(224, interpolation="bilinear"),
        Preprocess(224, mean=(0.5, 0.5, 0.4)),
        Preprocess(224, std=(0.5, 0.5, 0.4)),
    ]
    assert len({json.dumps(preprocess.as_json(), sort_keys=True) for preprocess in different}) == len(different)


@pytest.mark.parametrize("options", [{"mean": (123.7, 116.8, 104.0)}, {"std": (58.4, 57.1, 57.4)}, {"std": (0.0,) * 3}])
def test_means_of_values_up_to_255_are_refused(options: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"mean and std: expected values of channels in \[0, 1\].*by 255"):
        Preprocess(224, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "longest"}, r"resize: expected shortest or squash, found 'longest'"),
        ({"interpolation": "nearest"}, r"interpolation: expected bicubic, bilinear, lanczos, found 'nearest'"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocess(224, **options)
