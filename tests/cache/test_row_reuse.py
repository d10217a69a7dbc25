"""Rows that earlier stores hold are found by what they are, never by where it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.errors import StorageError, StoreDamagedError
from cache.keys import StoreKey
from cache.reuse import Digests, Reuse, find_rows, image_digests
from cache.row_copies import ReuseReader
from cache.schema import ArraySpec, Schema
from cache.store import Store, open_store
from cache.testing.raw import DiskBlobs, files
from cache.writing.writer import StoreWriter

N_VIEWS = 3
POOLED = ArraySpec("pooled", (4,), "float32")
TRAIN, TEST = "train", "test"


def value(image: str, view: int) -> list[float]:
    """The feature of a view of an image: different from every other."""
    return [float(ord(image[0])), float(len(image)), float(view), 1.0]


def key(n_views: int = N_VIEWS, **changes: Any) -> StoreKey:
    views: dict[str, Any] = {"count": n_views}
    if n_views > 1:
        views |= {"seed": 0, "recipe": {"version": 1}, "rows": "some"}
    fields: dict[str, Any] = {
        "samples": "these",
        "encoder": {"family": "a"},
        "preprocess": {"size": 4},
        "outputs": ("pooled",),
        "views": views,
        "precision": "float32",
        "dtype": "float32",
    }
    return StoreKey(**fields | changes)


def store(
    path: Path,
    images: str,
    splits: dict[str, str] | None = None,
    rejected: str = "",
    boxes: dict[str, str] | None = None,
    of: StoreKey | None = None,
) -> Store:
    """A finished store with a row for each letter of `images`, in shards of two rows."""
    of = of or key()
    n_views = of.views["count"]
    schema = Schema(len(images), n_views, (POOLED,), 2)
    writer = StoreWriter(path, of, schema)
    for shard in range(schema.n_shards):
        block = np.full((n_views, len(schema.rows(shard)), 4), np.nan, np.float32)
        bad = {row: "broken" for row in schema.rows(shard) if images[row] in rejected}
        for at, row in enumerate(schema.rows(shard)):
            has_views = n_views if (splits or {}).get(images[row], TRAIN) == TRAIN else 1
            for view in range(0 if row in bad else has_views):
                block[view, at] = value(images[row], view)
        writer.put(shard, {"pooled": block}, bad)
    columns = {
        "id": list(images),
        "label": ["fear"] * len(images),
        "sha256": list(images),
        "box": [(boxes or {}).get(image, "") for image in images],
        "split": [(splits or {}).get(image, TRAIN) for image in images],
        "status": ["rejected" if image in rejected else "ok" for image in images],
    }
    texts = {name: np.array(values, dtype=object) for name, values in columns.items()}
    writer.finish(texts, {"name": "x", "classes": []}, {})
    return open_store(path)


def look_up(
    stores: list[Store], images: str, of: StoreKey | None = None, n_views: list[int] | None = None, box: str = ""
) -> tuple[Reuse, Schema]:
    of = of or key()
    schema = Schema(len(images), of.views["count"], (POOLED,), 2)
    needed = np.array(n_views or [of.views["count"]] * len(images), np.intp)
    return find_rows(stores, of, schema, digests(images, box), needed), schema


def digests(images: str, box: str = "") -> Digests:
    return image_digests(len(images), [np.array(texts, object) for texts in (list(images), [box] * len(images))])


def has(reuse: Reuse, n_rows: int) -> list[str]:
    """For each row the views that need not be encoded, as text."""
    views = range(reuse.n_views)
    return ["".join(str(view) for view in views if reuse.has(row, view)) for row in range(n_rows)]


def filled(reuse: Reuse, schema: Schema) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """All that can be copied, shape (V, N, 4); NaN where nothing can."""
    reader, blocks = ReuseReader(), []
    for shard in range(schema.n_shards):
        block = np.full((schema.n_views, len(schema.rows(shard)), 4), np.nan, np.float32)
        reader.fill({"pooled": block}, reuse.copied_rows(schema.rows(shard)))
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_a_grown_and_reordered_dataset_needs_only_what_is_new(tmp_path: Path, suffix: str) -> None:
    old = store(tmp_path / f"old.{suffix}", "abcde")
    reuse, schema = look_up([old], "exdcnba")
    assert has(reuse, 7) == ["012", "", "012", "012", "", "012", "012"]
    copied = filled(reuse, schema)
    for row, image in enumerate("exdcnba"):
        for view in range(N_VIEWS):
            expected = [np.nan] * 4 if image in "xn" else value(image, view)
            assert copied[view, row].tolist() == pytest.approx(expected, nan_ok=True)
    assert reuse.used() == {old.key: 5}


def test_rows_come_from_several_stores_and_the_first_wins(tmp_path: Path) -> None:
    first, second = store(tmp_path / "a.zarr", "ab"), store(tmp_path / "b.zarr", "bc", of=key(samples="those"))
    reuse, schema = look_up([first, second], "abc")
    assert has(reuse, 3) == ["012"] * 3
    assert reuse.used() == {first.key: 2, second.key: 1}
    assert filled(reuse, schema)[0, :, 0].tolist() == [ord("a"), ord("b"), ord("c")]


def test_an_image_that_occurs_twice_is_found_twice(tmp_path: Path) -> None:
    reuse, schema = look_up([store(tmp_path / "a.zarr", "aab")], "baa")
    assert filled(reuse, schema)[0, :, 0].tolist() == [ord("b"), ord("a"), ord("a")]


def test_a_row_that_moved_to_train_needs_its_other_views_only(tmp_path: Path) -> None:
    """b was in test, where only the plain view is kept."""
    reuse, schema = look_up([store(tmp_path / "a.zarr", "ab", {"b": TEST})], "ab")
    assert has(reuse, 2) == ["012", "0"]
    assert np.isnan(filled(reuse, schema)[1:, 1]).all()


def test_a_row_that_moved_to_test_takes_the_plain_view_only(tmp_path: Path) -> None:
    reuse, schema = look_up([store(tmp_path / "a.zarr", "ab")], "ab", n_views=[1, 3])
    assert np.isnan(filled(reuse, schema)[1:, 0]).all()
    assert filled(reuse, schema)[0, 0].tolist() == value("a", 0)


def test_more_views_than_there_are_leave_the_plain_one(tmp_path: Path) -> None:
    old = store(tmp_path / "a.zarr", "ab", of=key(2))
    assert has(look_up([old], "ab", key(3))[0], 2) == ["0", "0"]
    assert has(look_up([old], "ab", key(2))[0], 2) == ["01", "01"]
    assert has(look_up([old], "ab", key(1))[0], 2) == ["0", "0"]


@pytest.mark.parametrize("change", [{"seed": 1}, {"recipe": {"version": 2}}])
def test_views_drawn_otherwise_are_not_taken(tmp_path: Path, change: dict[str, Any]) -> None:
    views = {**key().views, **change}
    assert has(look_up([store(tmp_path / "a.zarr", "ab")], "ab", key(views=views))[0], 2) == ["0", "0"]


@pytest.mark.parametrize(
    "change",
    [{"encoder": {"family": "b"}}, {"preprocess": {"size": 5}}, {"precision": "amp-float16"}, {"dtype": "float16"}],
    ids=lambda change: next(iter(change)),
)
def test_rows_made_otherwise_are_not_taken(tmp_path: Path, change: dict[str, Any]) -> None:
    assert has(look_up([store(tmp_path / "a.zarr", "ab")], "ab", key(**change))[0], 2) == ["", ""]


def test_a_store_that_lacks_an_output_gives_nothing(tmp_path: Path) -> None:
    old = store(tmp_path / "a.zarr", "ab")
    both = Schema(2, N_VIEWS, (POOLED, ArraySpec("tokens", (2, 4), "float32")), 2)
    reuse = find_rows([old], key(outputs=("pooled", "tokens")), both, digests("ab"), np.array([3, 3]))
    assert has(reuse, 2) == ["", ""]


def test_another_box_is_another_image(tmp_path: Path) -> None:
    old = store(tmp_path / "a.zarr", "ab", boxes={"a": "0,0,5,5"})
    assert has(look_up([old], "ab", box="0,0,5,5")[0], 2) == ["012", ""]
    assert has(look_up([old], "ab")[0], 2) == ["", "012"]


def test_a_rejected_row_is_tried_again_unless_the_key_is_the_same(tmp_path: Path) -> None:
    old = store(tmp_path / "a.zarr", "abc", rejected="b")
    same, grown = look_up([old], "abc")[0], look_up([old], "abcd", key(samples="grown"))[0]
    assert has(same, 3) == ["012", "", "012"]
    assert same.rejected == {1: "broken"}
    assert (has(grown, 4), grown.rejected) == (["012", "", "012", ""], {})


def test_a_damaged_source_is_reported_and_not_copied(tmp_path: Path) -> None:
    old = store(tmp_path / "a.zarr", "ab")
    reuse, schema = look_up([old], "ab")
    chunk = next(file for file in files(old.path / "pooled") if file.name != "zarr.json")
    flipped = DiskBlobs().extent(str(chunk)).flipped(3)
    with flipped, pytest.raises(StoreDamagedError, match=r"a\.zarr: rows 0-1 of pooled"):
        filled(reuse, schema)


def test_a_source_that_is_replaced_before_it_is_copied_is_an_error(tmp_path: Path) -> None:
    """Its rows are those of other images then, and each of them has a right checksum."""
    reuse, schema = look_up([store(tmp_path / "a.zarr", "ab")], "ab")
    shutil.rmtree(tmp_path / "a.zarr")
    store(tmp_path / "a.zarr", "ba", of=key(samples="reordered"))
    with pytest.raises(StorageError, match=r"a\.zarr was replaced while rows of it were to be copied"):
        filled(reuse, schema)
