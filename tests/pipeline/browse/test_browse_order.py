"""Which pictures come first, and what data become on the page."""

from __future__ import annotations

import base64
import json

import numpy as np
from PIL import ImageFont

from pipeline.browse.page_files import data_script, run_script
from pipeline.browse.pictures import missing_picture
from pipeline.browse.projection import Plane
from pipeline.browse.sheet import Mistake, draw_mistakes, end_that_fits
from pipeline.browse.units import NO_CLASS, Predicted, UnitMap, confident_mistakes


def units(labels: list[int]) -> UnitMap:
    """Units of the labels anger, fear and joy, where the head knows fear and anger only."""
    n = len(labels)
    zeros = np.zeros(n, np.uint8)
    plane = Plane(np.zeros((n, 2), np.float32), "")
    label = np.array(labels, np.uint8)
    return UnitMap("mini", ("anger", "fear", "joy"), label, ("a (test)",), zeros, zeros, {"PCA": plane})


def predicted(classes: list[int], probability: list[float]) -> Predicted:
    prediction = np.array(classes, np.uint8)
    status = np.where(prediction == NO_CLASS, 2, 1).astype(np.uint8)
    return Predicted("run", 0, ("fear", "anger"), status, prediction, np.array(probability, np.float32))


def test_mistakes_come_by_probability_and_equal_ones_in_their_order() -> None:
    """Labels anger, anger, fear, fear, joy, anger; predictions fear, anger, anger, fear, none, fear."""
    run = predicted([0, 1, 1, 0, NO_CLASS, 0], [0.6, 0.99, 0.9, 0.8, np.nan, 0.9])
    assert confident_mistakes(units([0, 0, 1, 1, 2, 0]), run).tolist() == [2, 5, 0]


def test_arrays_of_the_page_are_little_endian_and_may_be_nan() -> None:
    script = run_script(3, predicted([1, NO_CLASS], [0.5, np.nan])).decode()
    name, value = json.loads(f"[{script.removeprefix('loaded(').removesuffix(');' + chr(10))}]")
    assert name == "run-3"
    assert value["probability"]["dtype"] == "float32"
    values = np.frombuffer(base64.b64decode(value["probability"]["data"]), "<f4")
    np.testing.assert_array_equal(values, np.array([0.5, np.nan], np.float32))


def test_a_text_of_a_dataset_cannot_end_the_script() -> None:
    data = data_script("rows-0-0", ["</script>\u2028'\"\\ é"])
    assert data.isascii()
    assert data.count(b"\n") == 1


def test_a_missing_picture_is_grey_with_words_on_it() -> None:
    picture = np.asarray(missing_picture("file is missing, and this reason is very long " * 9))
    assert picture.shape == (160, 160, 3)
    assert (picture[0, 0] == picture[-1, -1]).all()
    assert (picture == 255).any()


def test_a_sheet_has_rows_of_six() -> None:
    mistake = Mistake(missing_picture("x"), "fear 90.0 %", "label anger", "7.png")
    six, seven = (draw_mistakes("title", [mistake] * n) for n in (6, 7))
    assert six.width == seven.width
    assert seven.height > six.height > draw_mistakes("title", []).height


def test_an_id_that_is_too_wide_keeps_its_end() -> None:
    font = ImageFont.load_default(12)
    width = font.getlength("...b/7.png")
    assert end_that_fits("a/b/7.png", font.getlength("a/b/7.png"), font) == "a/b/7.png"
    assert end_that_fits("images/a/b/7.png", width, font) == "...b/7.png"
