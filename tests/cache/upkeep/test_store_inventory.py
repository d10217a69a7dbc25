"""What is below a features root."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import zarr

from cache.places import AnyPath, as_path
from cache.testing.example import Example
from cache.upkeep.inventory import is_pinned, set_pin, size_of, statuses_below, targets_below
from cache.writing.unfinished import building_folder, unfinished


@pytest.fixture(params=["disk", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> AnyPath:
    if request.param == "disk":
        return tmp_path / "features"
    return as_path(f"memory://{tmp_path.name}/features")


def states(root: AnyPath) -> dict[str, tuple[str, str]]:
    return {found.path.name: (found.state, found.progress) for found in statuses_below(root)}


def test_stores_are_found_at_any_depth_finished_or_not(root: AnyPath) -> None:
    Example().write(root / "clip" / "a.zarr")
    Example().begin(root / "deep" / "er" / "b.zarr", [0, 2])
    assert states(root) == {"a.zarr": ("complete", ""), "b.zarr": ("incomplete", "2 of 3 shards")}
    assert statuses_below(root)[0].store is not None


def test_a_store_that_is_being_replaced_is_both(root: AnyPath) -> None:
    Example().write(root / "clip" / "a.zarr")
    Example(seed=1).begin(root / "clip" / "a.zarr", [0])
    assert states(root) == {"a.zarr": ("complete", "1 of 3 shards")}
    stopped = unfinished(root / "clip" / "a.zarr")
    assert stopped is not None
    assert stopped.plan.key == Example(seed=1).key.digest


def test_nothing_is_no_store(root: AnyPath) -> None:
    assert statuses_below(root) == []
    assert unfinished(root / "clip" / "a.zarr") is None


def test_both_formats_are_found(tmp_path: Path) -> None:
    Example().write(tmp_path / "clip" / "a.h5")
    Example().write(tmp_path / "clip" / "a.zarr")
    assert states(tmp_path) == {"a.h5": ("complete", ""), "a.zarr": ("complete", "")}


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    store = Example().write(tmp_path / "clip" / "damaged.zarr")
    text = store.manifest.to_text().replace('"n_rows":10', '"n_rows":9')
    zarr.open_group(tmp_path / "clip" / "damaged.zarr", mode="r+").attrs["fer_stage"] = text
    zarr.create_group(tmp_path / "clip" / "foreign.zarr")
    (tmp_path / "clip" / "foreign.h5").write_bytes(b"anything")
    assert states(tmp_path) == {
        "damaged.zarr": ("damaged", ""),
        "foreign.h5": ("foreign", ""),
        "foreign.zarr": ("foreign", ""),
    }
    assert all(found.why and found.store is None for found in statuses_below(tmp_path))


def test_hidden_folders_and_the_inside_of_stores_are_not_looked_into(tmp_path: Path) -> None:
    Example().write(tmp_path / "clip" / "a.zarr")
    Example().write(tmp_path / ".trash" / "b.zarr")
    Example().write(tmp_path / "clip" / "a.zarr" / "c.zarr")
    assert [path.name for path in targets_below(tmp_path)] == ["a.zarr"]


def test_a_store_is_the_only_one_below_itself(tmp_path: Path) -> None:
    Example().write(tmp_path / "a.zarr")
    assert targets_below(tmp_path / "a.zarr") == [tmp_path / "a.zarr"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    Example().write(tmp_path / "elsewhere" / "a.zarr")
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "clip").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "features" / "round").symlink_to(tmp_path / "features")
    assert targets_below(tmp_path / "features") == [tmp_path / "features" / "clip" / "a.zarr"]


def test_a_begun_store_without_a_readable_plan_is_no_work(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    Example().begin(target, [0])
    (building_folder(target) / "plan.json").write_text("{")
    assert unfinished(target) is None


def test_sizes_are_those_of_the_files(root: AnyPath) -> None:
    path = root / "clip" / "a.zarr"
    Example().write(path)
    files = [file for file in path.rglob("*") if file.is_file()]
    assert size_of(path) == sum(file.stat().st_size for file in files) > 0
    assert size_of(files[0]) == files[0].stat().st_size
    assert size_of(root / "nothing") == 0


def test_a_link_is_not_counted_as_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert size_of(tmp_path / "link") < 1000


def test_a_pin_stays_until_it_is_removed(root: AnyPath) -> None:
    path = root / "clip" / "a.zarr"
    Example().write(path)
    assert not is_pinned(path)
    set_pin(path, pinned=True)
    assert is_pinned(path)
    assert states(root) == {"a.zarr": ("complete", "")}
    set_pin(path, pinned=False)
    set_pin(path, pinned=False)
    assert not is_pinned(path)


def test_a_pin_survives_the_replacement_of_its_store(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    Example().write(path)
    set_pin(path, pinned=True)
    shutil.rmtree(path)
    Example(seed=1).write(path)
    assert is_pinned(path)
