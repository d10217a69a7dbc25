"""A group picture: the same people for the same seed, as many as asked for, in a style's own look."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.drawn import STYLES, draw_group
from pipeline.errors import ConfigError
from pipeline.faces.detector import load_detector


@pytest.mark.parametrize("style", STYLES)
def test_the_detector_finds_all_people_in_every_style(style: str) -> None:
    picture = Image.fromarray(draw_group(style, 6, seed=4))
    assert len(load_detector().detect(picture)) == 6


def test_a_seed_gives_the_same_pixels_and_another_one_others() -> None:
    first = draw_group("sample-c", 3, seed=1)
    assert (first.dtype, first.ndim, first.shape[2]) == (np.uint8, 3, 3)
    np.testing.assert_array_equal(first, draw_group("sample-c", 3, seed=1))
    assert not np.array_equal(first, draw_group("sample-c", 3, seed=2))


def test_more_people_need_more_room() -> None:
    sizes = [draw_group("sample-b", n).shape[:2] for n in (1, 2, 6, 20)]
    assert sizes == sorted(sizes)
    assert sizes[-1][0] < sizes[-1][1]  # wider than high, as group pictures are


@pytest.mark.parametrize("n", [0, 101])
def test_no_people_and_too_many_are_refused(n: int) -> None:
    with pytest.raises(ConfigError, match=f"group: expected 1 to 100 people, found {n}"):
        draw_group("sample-a", n)


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of sample-a"):
        draw_group("sample-x", 2)
