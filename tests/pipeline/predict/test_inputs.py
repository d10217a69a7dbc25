"""What a user may name, and the error when there is nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest
from faces_to_find import grey
from image_files import BAD, ODD

from pipeline.errors import ImageError, InputError
from pipeline.predict.inputs import find_inputs, input_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures at two depths, a video, and files that are neither."""
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.txt",
        "old.txt",
        "deep/c.jpeg",
        "deep/clip.mp4",
        ".hidden.jpg",
        "deep/Makefile",
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_gives_pictures_and_videos_at_any_depth_and_counts_the_rest(folder: Path) -> None:
    found = find_inputs([folder])
    assert names(found.paths, folder) == ["a.PNG", "b.jpg", "deep/c.jpeg", "deep/clip.mp4"]
    assert found.ignored == {".txt": 2, "Makefile": 1}


def test_a_named_file_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert names(find_inputs([folder / "notes.txt"]).paths, folder) == ["notes.txt"]


def test_a_pattern_that_no_shell_expanded_is_expanded(folder: Path) -> None:
    assert names(find_inputs([f"{folder}/**/*.jp*g"]).paths, folder) == ["b.jpg", "deep/c.jpeg"]


def test_a_file_with_brackets_in_its_name_is_no_pattern(folder: Path) -> None:
    (folder / "b[1].jpg").touch()
    assert names(find_inputs([str(folder / "b[1].jpg")]).paths, folder) == ["b[1].jpg"]


def test_a_file_that_is_named_twice_is_looked_at_once(folder: Path) -> None:
    assert names(find_inputs([folder / "b.jpg", folder, f"{folder}/b*"]).paths, folder)[:2] == ["b.jpg", "a.PNG"]
    assert len(find_inputs([folder, folder]).paths) == 4


def test_every_missing_name_is_listed(folder: Path) -> None:
    with pytest.raises(InputError, match=r"found nothing at .*gone\.jpg', .*none\*\.png'"):
        find_inputs([folder, folder / "gone.jpg", f"{folder}/none*.png"])


def test_a_folder_without_pictures_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(InputError, match=r"found none in .*, only other files \(1 \.txt\)"):
        find_inputs([tmp_path])


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected pictures or videos, found none in"):
        find_inputs([tmp_path])


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(ODD[name])
    [image] = input_images([tmp_path / name])
    assert image.load().mode == "RGB"


@pytest.mark.parametrize("name", [name for name in BAD if name != "hair.png"])
def test_bad_pictures_have_their_reason(name: str, tmp_path: Path) -> None:
    data, reason = BAD[name]
    (tmp_path / name).write_bytes(data)
    [image] = input_images([tmp_path / name])
    with pytest.raises(ImageError, match=reason):
        image.load()


def test_a_file_that_goes_away_before_its_turn_has_a_reason(tmp_path: Path) -> None:
    grey().save(tmp_path / "a.png")
    [image] = input_images([tmp_path / "a.png"])
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match="file cannot be read: No such file"):
        image.load()
