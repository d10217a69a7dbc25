"""Nothing is written through a link, and nothing outside the folder that was named."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.atomic import write_bytes, write_new
from cache.errors import StorageError
from cache.places.links import links_followed, require_inside, require_no_links
from cache.places.lock import exclusive, lock_path
from cache.testing.example import Example
from cache.upkeep.candidates import candidates_below
from cache.writing.unfinished import building_folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file outside the folder of the outputs."""
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_link_at_the_place_of_a_file_is_replaced_and_not_followed(here: Path, victim: Path) -> None:
    Path("out.json").symlink_to(victim)
    write_bytes(Path("out.json"), b"new")
    assert victim.read_text() == "precious"
    assert not Path("out.json").is_symlink()
    assert Path("out.json").read_bytes() == b"new"


@pytest.mark.parametrize("name", [".out.json.partial", ".out.json.lock", ".out.json.part"])
def test_a_link_at_a_name_of_earlier_versions_is_left_alone(here: Path, victim: Path, name: str) -> None:
    Path(name).symlink_to(victim)
    write_bytes(Path("out.json"), b"new")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("make", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_link_is_no_lock(here: Path, victim: Path, make: Callable[..., None]) -> None:
    make(victim, ".out.zarr.lock")
    with pytest.raises(StorageError, match=r"Remove it|remove the link"), exclusive(lock_path(Path("out.zarr"))):
        pass
    assert victim.read_text() == "precious"


def test_a_pipe_is_no_lock_and_is_not_waited_for(here: Path) -> None:
    os.mkfifo(".out.zarr.lock")
    with pytest.raises(StorageError, match="expected a lock"), exclusive(lock_path(Path("out.zarr"))):
        pass


@pytest.mark.parametrize("write", [write_bytes, write_new])
def test_a_folder_that_leads_out_is_named_and_refused(
    here: Path, tmp_path: Path, write: Callable[[Path, bytes], object]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Path("runs").mkdir()
    Path("runs/mini").symlink_to(outside)
    with pytest.raises(StorageError, match=r"runs/mini is a link to .*outside, which is outside.*--follow-links"):
        write(Path("runs/mini/deep/out.json"), b"new")
    assert list(outside.iterdir()) == []
    with links_followed():
        write(Path("runs/mini/deep/out.json"), b"new")
    assert (outside / "deep" / "out.json").read_bytes() == b"new"


def test_a_folder_whose_links_cannot_be_looked_at_is_refused_in_our_words(here: Path) -> None:
    path = Path("x" * 300) / "out"
    with pytest.raises(StorageError, match="the name is too long for this file system"):
        write_bytes(path, b"new")
    with pytest.raises(StorageError, match="the name is too long for this file system"), exclusive(path):
        pass


def test_a_lock_is_not_made_where_a_link_leads_out(here: Path, tmp_path: Path) -> None:
    Path("features").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="features is a link"), exclusive(Path("features/new/.a.zarr.lock")):
        pass
    assert not (tmp_path / "new").exists()


def test_links_that_stay_inside_are_the_users_own(here: Path, tmp_path: Path) -> None:
    (here / "disk").mkdir()
    Path("features").symlink_to("disk")
    write_bytes(Path("features/a.json"), b"new")
    assert (here / "disk" / "a.json").read_bytes() == b"new"


def test_a_folder_named_by_its_whole_path_may_lie_behind_links(here: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    require_inside(tmp_path / "link" / "mini" / "a.zarr", tmp_path / "link")
    (tmp_path / "disk" / "mini").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="link/mini is a link"):
        require_inside(tmp_path / "link" / "mini" / "a.zarr", tmp_path / "link")


def test_a_folder_above_that_is_named_with_dots_is_no_link(here: Path, tmp_path: Path) -> None:
    write_bytes(Path("../beside/a.json"), b"new")
    assert (tmp_path / "beside" / "a.json").exists()


@pytest.mark.parametrize("inside", ["records", "store.zarr/pooled/c", "plan.json", "."])
def test_unfinished_work_that_holds_a_link_is_not_resumed(here: Path, tmp_path: Path, inside: str) -> None:
    """A planted folder of unfinished work: its chunks and records would be written through the link."""
    target = Path("features/mini/a.zarr")
    Example().begin(target, [0])
    folder = building_folder(target)
    planted = folder / inside
    planted.rename(tmp_path / "elsewhere")
    planted.symlink_to(tmp_path / "elsewhere")
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").rglob("*"))
    with pytest.raises(StorageError, match=r"is a link, which unfinished work never contains. Remove .*building"):
        Example().begin(target)
    with pytest.raises(StorageError), links_followed():
        Example().begin(target)
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").rglob("*")) == before
    require_no_links(tmp_path / "not there")


def test_a_store_that_is_a_link_is_replaced_and_its_target_stays(here: Path, tmp_path: Path) -> None:
    Example().write(tmp_path / "theirs.zarr")
    Path("features/mini").mkdir(parents=True)
    Path("features/mini/a.zarr").symlink_to(tmp_path / "theirs.zarr")
    Example().write(Path("features/mini/a.zarr"))
    assert not Path("features/mini/a.zarr").is_symlink()
    assert (tmp_path / "theirs.zarr" / "zarr.json").exists()


def test_gc_removes_nothing_behind_a_link_that_leads_out(here: Path, tmp_path: Path) -> None:
    Example().begin(tmp_path / "theirs" / "a.zarr")
    Path("features").mkdir()
    Path("features/mini").symlink_to(tmp_path / "theirs")
    [found] = candidates_below(Path("features"))
    assert found.link == Path("features/mini")
    with links_followed():
        [found] = candidates_below(Path("features"))
    assert found.link is None


@pytest.mark.parametrize("name", ["/dev/null", "pipe"])
def test_a_device_or_a_pipe_is_never_replaced(here: Path, name: str) -> None:
    os.mkfifo("pipe")
    before = Path(name).stat()
    with pytest.raises(StorageError, match="found a device, pipe or socket"):
        write_bytes(Path(name), b"new")
    assert os.path.samestat(Path(name).stat(), before)


def test_files_have_the_mode_of_the_umask(here: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(Path("a.json"), b"new")
        write_new(Path("b.json"), b"new")
    finally:
        os.umask(before)
    assert {oct(Path(name).stat().st_mode & 0o777) for name in ("a.json", "b.json")} == {"0o640"}


def test_a_new_file_never_replaces_another(here: Path) -> None:
    assert write_new(Path("a"), b"first")
    assert not write_new(Path("a"), b"second")
    assert Path("a").read_bytes() == b"first"
    assert os.listdir() == ["a"]
