"""A drawn dataset on disk: whole or known as unfinished, the same bytes every time."""

import csv
import json

import pytest
from PIL import Image

from pipeline.datasets.drawn import GENERATOR_VERSION, STYLES, draw_dataset, sample_specs

N = 12


class Killed(BaseException):
    """What a kill looks like from inside."""


def kill_after(n_images):
    def listen(progress):
        if progress.done == n_images:
            raise Killed

    return listen


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_bytes(tmp_path, style):
    draw_dataset(style, tmp_path / "first", N)
    draw_dataset(style, tmp_path / "second", N)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_another_seed_gives_other_pictures(tmp_path):
    draw_dataset("sample-b", tmp_path / "first", 3)
    draw_dataset("sample-b", tmp_path / "second", 3, seed=1)
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert all(first[f"images/b0000{i}.png"] != second[f"images/b0000{i}.png"] for i in range(3))


@pytest.mark.parametrize("style", STYLES)
def test_every_row_of_the_labels_is_a_picture_and_every_picture_a_row(tmp_path, style):
    draw_dataset(style, tmp_path, N)
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {f"images/{path.name}" for path in (tmp_path / "images").iterdir()}
    for row, spec in zip(rows, sample_specs(style, N), strict=True):
        assert (row["id"], row["label"], row["split"], row["subject"]) == (
            spec.id,
            spec.label,
            spec.split,
            spec.subject,
        )
        assert float(row["intensity"]) == pytest.approx(spec.intensity, abs=0.001)


def test_pictures_are_stored_as_their_style_says(tmp_path):
    found = {}
    for style in STYLES:
        draw_dataset(style, tmp_path / style, 1)
        with Image.open(next((tmp_path / style / "images").iterdir())) as image:
            found[style] = (image.format, image.mode, image.size)
    assert found == {
        "sample-a": ("PNG", "RGB", (128, 128)),
        "sample-b": ("PNG", "RGB", (100, 100)),
        "sample-c": ("PNG", "RGB", (143, 181)),
        "sample-d": ("JPEG", "RGB", (176, 176)),
        "sample-e": ("PNG", "L", (48, 48)),
    }


def test_the_receipt_names_what_was_drawn(tmp_path):
    draw_dataset("sample-e", tmp_path, 2, seed=5)
    expected = {"generator": GENERATOR_VERSION, "style": "sample-e", "seed": 5, "n": 2}
    assert json.loads((tmp_path / "sample.json").read_text()) == expected


@pytest.mark.parametrize("done", [1, N - 1, N])
def test_an_interrupted_drawing_has_no_receipt_and_is_finished_by_a_second_call(tmp_path, done):
    with pytest.raises(Killed):
        draw_dataset("sample-e", tmp_path / "killed", N, on_progress=kill_after(done))
    assert not (tmp_path / "killed" / "sample.json").exists()
    draw_dataset("sample-e", tmp_path / "killed", N)
    draw_dataset("sample-e", tmp_path / "whole", N)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_an_interrupted_redrawing_loses_the_old_receipt_first(tmp_path):
    draw_dataset("sample-e", tmp_path, 4)
    with pytest.raises(Killed):
        draw_dataset("sample-e", tmp_path, 4, seed=1, on_progress=kill_after(1))
    assert not (tmp_path / "sample.json").exists()


def test_a_second_call_draws_nothing(tmp_path):
    draw_dataset("sample-e", tmp_path, 4)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    draw_dataset("sample-e", tmp_path, 4, on_progress=kill_after(1))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("receipt", ['{"generator": 0, "style": "sample-e", "seed": 0, "n": 4}', '{"gener', "[]"])
def test_an_old_or_broken_receipt_means_drawing_again(tmp_path, receipt):
    draw_dataset("sample-e", tmp_path, 4)
    (tmp_path / "sample.json").write_text(receipt)
    with pytest.raises(Killed):
        draw_dataset("sample-e", tmp_path, 4, on_progress=kill_after(1))


def test_a_smaller_redrawing_leaves_no_strangers_and_spares_foreign_files(tmp_path):
    draw_dataset("sample-e", tmp_path / "shrunk", 8)
    (tmp_path / "shrunk" / "images" / ".e00007.png.0123abcd.partial").write_bytes(b"half a picture")
    draw_dataset("sample-e", tmp_path / "shrunk", 3)
    draw_dataset("sample-e", tmp_path / "small", 3)
    assert contents(tmp_path / "shrunk") == contents(tmp_path / "small")
    (tmp_path / "small" / "images" / "notes.txt").write_text("mine")
    draw_dataset("sample-e", tmp_path / "small", 2)
    assert (tmp_path / "small" / "images" / "notes.txt").read_text() == "mine"


def test_progress_counts_the_images(tmp_path):
    heard = []
    draw_dataset("sample-e", tmp_path, 3, on_progress=heard.append)
    assert [(progress.done, progress.total) for progress in heard] == [(1, 3), (2, 3), (3, 3)]
