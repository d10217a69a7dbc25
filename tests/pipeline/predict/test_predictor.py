"""Prediction: every face gets its due, whatever head names it, whatever else is in the batch, however it is turned."""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from faces_to_find import N_PEOPLE, grey, people
from heads_on_disk import CLASSES, HEADS, SIDE, untrained, write_head
from image_files import EXIF_ORIENTATION, encoded
from PIL import Image

from pipeline.errors import ConfigError, ImageError, InputError, MismatchError
from pipeline.faces.detector import load_detector
from pipeline.images.alignment import Alignment
from pipeline.predict import Prediction, Predictor
from pipeline.predict.lazy_images import LazyImage
from pipeline.predict.saved import read_saved

CLOSE = 1e-4  # of probabilities
MARGIN = Alignment(margin=0.25)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    alignment = {**Alignment().as_json(), "missed": "reject", "detector": dict(load_detector().identity)}
    return write_head(tmp_path_factory.mktemp("run") / "pooled", alignment=alignment)


@pytest.fixture(scope="module")
def predictor(run: Path) -> Predictor:
    return Predictor(run, device="cpu")


def _out_of_reach() -> Image.Image:
    raise ImageError("out of reach")


def table(predictions: Sequence[Prediction]) -> npt.NDArray[np.float64]:
    """(N, C): the probabilities of every face."""
    return np.array([[one.probabilities[name] for name in CLASSES] for one in predictions if one.box])


def test_every_face_has_a_box_and_probabilities_the_largest_face_first(predictor: Predictor) -> None:
    found = predictor.predict(people())
    assert [one.status for one in found] == ["face"] * N_PEOPLE
    areas = [one.box[2] * one.box[3] for one in found if one.box]
    assert areas == sorted(areas, reverse=True)
    np.testing.assert_allclose(table(found).sum(axis=1), 1, atol=1e-9)
    for one in found:
        assert one.score is not None
        assert 0 < one.score <= 1
        assert tuple(one.probabilities) == CLASSES
        assert one.probability == max(one.probabilities.values()) == one.probabilities[one.expression or ""]


def test_faces_are_told_apart(predictor: Predictor) -> None:
    """Without this the tests below could not fail."""
    assert np.ptp(table(predictor.predict(people())), axis=0).max() > 100 * CLOSE


def test_a_picture_is_predicted_alike_alone_in_a_batch_and_in_another_order(run: Path) -> None:
    pictures = [people(2, seed=seed) for seed in range(3)]
    alone = [table(Predictor(run, device="cpu", batch_size=1).predict(picture)) for picture in pictures]
    together = Predictor(run, device="cpu", batch_size=4).predict(pictures)
    backwards = Predictor(run, device="cpu").predict(pictures[::-1])
    np.testing.assert_allclose(table(together), np.concatenate(alone), atol=CLOSE)
    np.testing.assert_allclose(table(backwards), np.concatenate(alone[::-1]), atol=CLOSE)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_gets_what_it_reads_from_the_aligned_crop(name: str, tmp_path: Path) -> None:
    """By hand: the same crop of the same face, through the same encoder, into the same head."""
    run = write_head(tmp_path / "run", name, alignment=MARGIN.as_json())
    picture, encoder = people(1), untrained()
    face = load_detector().detect(picture)[0]
    landmarks = face.landmarks.round(2).astype(np.float64).round(2)  # in hundredths, as face tables hold them
    crop = {size: np.array(MARGIN.crop(picture, landmarks, size))[None] for size in (SIDE, 64)}
    reads = HEADS[name][1]
    inputs = {
        "pixels": crop[SIDE],
        **encoder.encode_images(crop[encoder.preprocess.size], ("pooled", "tokens", "block-1")),
    }
    powers = np.exp(read_saved(run).build(encoder).predict({name: inputs[name] for name in reads})[0])
    np.testing.assert_allclose(
        table(Predictor(run, device="cpu").predict(picture))[0], powers / powers.sum(), atol=CLOSE
    )


def test_the_heads_own_temperature_divides_its_logits(run: Path, tmp_path: Path) -> None:
    """Odds at temperature 2 are the square roots of those at 1."""
    warmer = write_head(tmp_path / "warmer", alignment=Alignment().as_json(), temperature=2.0)
    cold, warm = (table(Predictor(folder, device="cpu").predict(people(2))) for folder in (run, warmer))
    roots = np.sqrt(cold)
    np.testing.assert_allclose(warm, roots / roots.sum(axis=1, keepdims=True), atol=CLOSE)


def test_a_head_of_unaligned_pictures_gets_the_default_alignment_and_says_so(run: Path, tmp_path: Path) -> None:
    given = Predictor(write_head(tmp_path / "given"), device="cpu")
    assert "not on aligned faces" in given.note
    assert "not on aligned faces" not in Predictor(run, device="cpu").note
    np.testing.assert_allclose(
        table(given.predict(people(2))), table(Predictor(run, device="cpu").predict(people(2))), atol=CLOSE
    )


def test_a_head_of_faces_that_another_detector_found_says_so(run: Path, tmp_path: Path) -> None:
    found_by = {**load_detector().identity, "threshold": 0.123}
    other = write_head(tmp_path / "other", alignment={**Alignment().as_json(), "detector": found_by})
    assert "threshold: expected 0.123" in Predictor(other, device="cpu").note
    assert "another detector" not in Predictor(run, device="cpu").note


def test_notes_of_the_head_are_in_the_note(tmp_path: Path) -> None:
    predictor = Predictor(write_head(tmp_path / "run", changed={"encoder_note": "knows nothing"}), device="cpu")
    assert "knows nothing" in predictor.note


def test_a_head_without_calibration_is_refused(tmp_path: Path) -> None:
    run = write_head(tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    del record["calibration"]
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"run\.json: .*calibration: Field required"):
        Predictor(run, device="cpu")


def test_paths_pictures_and_arrays_of_one_picture_are_one(predictor: Predictor, tmp_path: Path) -> None:
    picture, path = people(2), tmp_path / "two.png"
    picture.save(path)
    found = predictor.predict([path, str(path), picture, np.asarray(picture)])
    assert [one.image for one in found] == [str(path)] * 4 + ["#2"] * 2 + ["#3"] * 2
    rows = table(found).reshape(4, 2, -1)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=CLOSE)


def test_arrays_of_opencv_are_predicted_as_their_picture_if_their_order_is_named(predictor: Predictor) -> None:
    pixels = np.asarray(people(2))
    right, swapped = table(predictor.predict(pixels)), table(predictor.predict(pixels[..., ::-1]))
    assert np.abs(right - swapped).max() > 100 * CLOSE
    np.testing.assert_allclose(table(predictor.predict(pixels[..., ::-1], colour="bgr")), right, atol=CLOSE)
    with pytest.raises(ConfigError, match="expected one of rgb, bgr, the order of channels, found 'BGR'"):
        predictor.predict(pixels, colour="BGR")


@pytest.mark.parametrize("every_s", [-1.0, float("nan")])
def test_seconds_between_frames_that_are_none_are_refused(predictor: Predictor, every_s: float) -> None:
    with pytest.raises(ConfigError, match="every: expected seconds between frames, 0 or more"):
        predictor.predict(people(1), every_s=every_s)


def test_floats_from_zero_to_one_are_the_same_picture(predictor: Predictor) -> None:
    pixels = np.asarray(people(2))
    shares = (pixels / 255).astype(np.float32)
    np.testing.assert_allclose(table(predictor.predict(shares)), table(predictor.predict(pixels)), atol=CLOSE)


@pytest.mark.parametrize(("scale", "offset"), [(2, -1), (255, 0), (1 / 255, 0)])
def test_floats_of_another_range_are_refused(predictor: Predictor, scale: float, offset: float) -> None:
    pixels = np.asarray(people(1)) / 255 * scale + offset
    with pytest.raises(InputError, match="expected floats from 0 to 1, found float64 from"):
        predictor.predict(pixels)


def test_a_grey_array_is_a_picture(predictor: Predictor) -> None:
    pixels = np.asarray(people(2).convert("L"))
    assert [one.status for one in predictor.predict(pixels)] == ["face"] * 2


@pytest.mark.parametrize(
    "given",
    [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.int32), np.zeros((0, 4, 3), np.uint8), 7],
    ids=["four channels", "int32", "empty", "number"],
)
def test_what_is_no_picture_is_refused(given: object, predictor: Predictor) -> None:
    with pytest.raises(InputError, match=r"picture #1: expected .* found"):
        predictor.predict([people(1), given])  # type: ignore[list-item]


def test_a_picture_without_a_face_and_one_that_cannot_be_read_have_a_prediction_each(
    predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(encoded(people(1), "JPEG")[:700])
    found = predictor.predict([grey(), tmp_path / "broken.jpg", people(1)])
    assert [(one.status, one.reason) for one in found] == [
        ("no face", ""),
        ("unreadable", "image is damaged or cut off"),
        ("face", ""),
    ]
    assert all(one.box is one.expression is one.probability is None and not one.probabilities for one in found[:2])


def middle(one: Prediction) -> tuple[float, float]:
    assert one.box
    x, y, width, height = one.box
    return x + width / 2, y + height / 2


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_sideways_picture_has_the_same_face_in_its_own_coordinates(degrees: int, predictor: Predictor) -> None:
    """`rotate` turns counterclockwise; the detector does not see every turn of a face at quite the same place."""
    [upright], [turned] = (
        predictor.predict(picture) for picture in (people(1), people(1).rotate(degrees, expand=True))
    )
    (x, y), (width, height) = middle(upright), people(1).size
    expected = {90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}[degrees]
    np.testing.assert_allclose(middle(turned), expected, atol=5)
    np.testing.assert_allclose(table([turned]), table([upright]), atol=0.1)


def test_sideways_pictures_can_be_left_alone(run: Path) -> None:
    sideways = people(1).rotate(90, expand=True)
    sure = [one for one in Predictor(run, device="cpu", rotate=False).predict(sideways) if (one.score or 0) > 0.8]
    assert not sure


def test_a_picture_that_says_how_it_lies_is_turned_as_it_says(predictor: Predictor, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # shown after a quarter turn clockwise
    people(2).rotate(90, expand=True).save(tmp_path / "lying.png", exif=exif)
    found, upright = predictor.predict(tmp_path / "lying.png"), predictor.predict(people(2))
    np.testing.assert_allclose(table(found), table(upright), atol=CLOSE)
    np.testing.assert_allclose([one.box for one in found], [one.box for one in upright], atol=0.01)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (5000, 2), (40, 30)])
def test_pictures_in_which_no_face_fits_have_none(size: tuple[int, int], predictor: Predictor) -> None:
    assert [one.status for one in predictor.predict(grey(size))] == ["no face"]


def test_faces_of_a_huge_picture_are_those_of_the_detector_of_align(predictor: Predictor) -> None:
    """24 million pixels; upright, the boxes and the crops are what `align` and `extract` have."""
    picture = Image.new("RGB", (6000, 4000), (120, 120, 120))
    picture.paste(people(3).resize((3000, 3000 * people(3).height // people(3).width)), (1500, 100))
    found, faces = predictor.predict(picture), load_detector().detect(picture)
    assert len(found) == 3
    assert [one.box for one in found] == [face.box for face in faces]
    assert [one.score for one in found] == [face.score for face in faces]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_threads_of_torch_change_no_prediction_and_are_as_before(n_threads: int, run: Path) -> None:
    expected, before = table(Predictor(run, device="cpu").predict(people())), torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        found = table(Predictor(run, device="cpu").predict(people()))
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found, expected)


def test_memory_does_not_grow_with_the_number_of_pictures(run: Path) -> None:
    """Of endless pictures no more are taken than two batches hold, and some for the threads."""
    taken = 0

    def endless() -> Iterator[LazyImage]:
        nonlocal taken
        while True:
            taken += 1
            yield LazyImage(str(taken), people(1).copy)

    results = Predictor(run, device="cpu", batch_size=4).predict_lazy(endless())
    next(results)
    results.close()
    assert taken <= 3 * 4 + 8


def test_frames_of_a_video_are_let_go_once_they_were_looked_at(predictor: Predictor) -> None:
    """A frame is some megabytes, and one without a face waits for a batch to fill."""
    frames: list[weakref.ref[Image.Image]] = []
    most = 0

    def video() -> Iterator[LazyImage]:
        nonlocal most
        for i in range(40):
            frame = grey()
            frames.append(weakref.ref(frame))
            yield LazyImage("video", frame.copy, i, float(i))
            most = max(most, sum(known() is not None for known in frames))

    assert len(list(predictor.predict_lazy(video()))) == 40
    assert most <= 8 + 4  # as many as threads, and what goes in and out


def test_pictures_without_a_face_do_not_wait_for_ever(predictor: Predictor) -> None:
    found = predictor.predict_lazy(LazyImage("nobody", _out_of_reach) for _ in iter(int, 1))
    assert next(found).predictions[0].status == "unreadable"
    found.close()


def test_who_leaves_early_does_not_wait_for_a_batch_to_fill(run: Path) -> None:
    """One face makes a batch; the next one would take 256 pictures without a face, and more than 5 s."""

    def slow() -> Image.Image:
        time.sleep(0.05)
        raise ImageError("out of reach")

    first = iter([LazyImage("somebody", people(1).copy)])
    others = (LazyImage("nobody", slow) for _ in iter(int, 1))
    results = Predictor(run, device="cpu", batch_size=1).predict_lazy(chain(first, others))
    next(results)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 2


def test_an_error_of_the_pictures_arrives_and_no_thread_stays(predictor: Predictor) -> None:
    def failing() -> Iterator[LazyImage]:
        yield LazyImage("one", people(1).copy)
        raise RuntimeError("the disk is gone")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the disk is gone"):
        list(predictor.predict_lazy(failing()))
    assert threading.active_count() == before


def test_a_picture_that_cannot_be_loaded_stops_no_other(predictor: Predictor) -> None:
    images = [LazyImage("a", people(1).copy), LazyImage("b", _out_of_reach), LazyImage("c", people(1).copy)]
    assert [one.predictions[0].status for one in predictor.predict_lazy(images)] == ["face", "unreadable", "face"]


def test_pictures_are_handed_on_only_to_who_asks(predictor: Predictor) -> None:
    images = [LazyImage("a", people(1).copy)]
    assert [one.picture for one in predictor.predict_lazy(images)] == [None]
    assert [one.picture for one in predictor.predict_lazy(images, keep_pictures=True)] == [people(1)]


def test_another_encoder_is_refused_by_its_fields(run: Path, tmp_path: Path) -> None:
    description = read_saved(run).description
    other = {**description["encoder"], "encoder": {**description["encoder"]["encoder"], "weights": "0" * 64}}
    wrong = write_head(
        tmp_path / "wrong", changed={"head": {**description, "encoder": other}, "encoder_identity": other}
    )
    with pytest.raises(MismatchError, match=r"found another encoder\. weights: expected '0000"):
        Predictor(wrong, device="cpu")


def test_a_head_on_pixels_needs_no_encoder_and_takes_none(tmp_path: Path) -> None:
    run = write_head(tmp_path / "run", "pixels", changed={"encoder_spec": "timm:resnet18@not-here.pth"})
    assert Predictor(run, device="cpu").predict(people(1))[0].status == "face"
    with pytest.raises(ConfigError, match="the head reads pixels"):
        Predictor(run, encoder="untrained", device="cpu")


def test_no_head_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained run at"):
        Predictor(tmp_path)
