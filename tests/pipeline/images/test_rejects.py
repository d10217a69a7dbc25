"""When work on images that all fail alike is given up."""

from __future__ import annotations

import pytest

from pipeline.errors import DatasetError
from pipeline.images.rejects import AlikeRejects


def test_the_first_images_that_all_fail_for_one_reason_end_the_work() -> None:
    alike = AlikeRejects(limit=3)
    alike.add("a.tif", "range is not known: float32 from -2 to 2")
    alike.add("b.tif", "range is not known: float32 from -1 to 3")
    with pytest.raises(DatasetError, match=r"first 3 are all .* \(a\.tif: range is not known: float32 from -2 to 2\)"):
        alike.add("c.tif", "range is not known: float32 from -3 to 1")


@pytest.mark.parametrize("other", ["", "file is empty"], ids=["good", "other reason"])
def test_one_image_that_is_good_or_fails_otherwise_lets_all_be_tried(other: str) -> None:
    alike = AlikeRejects(limit=3)
    for reason in ("not an image", other, *["not an image"] * 10):
        alike.add("x", reason)
