"""Damage: what is not what was written is reported by the read that touches it, never returned."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from cache.errors import CacheError, SchemaError, StoreDamagedError, StoreMissingError
from cache.places import AnyPath
from cache.store import Store, open_store, store_exists
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.testing.raw import Extent
from cache.testing.reading import content
from cache.upkeep.integrity import verify

__all__ = ["DamageContract"]

RESTORE = "Restore the store, or delete it and extract again"


class DamageContract(BackendUnderTest):
    n_flips = 60  # positions over a whole store
    every = 1  # how many of the extents are damaged: each, or every n-th where access takes its time

    def test_the_extents_are_all_features(self, store: Store) -> None:
        """The tests below rely on it: raw bytes of the disk, found past our reader."""
        raw = b"".join(extent.data for extent in self.extents(store.path))
        for array in store.manifest.schema.arrays:
            for view in range(store.n_views()):
                assert store.read_shard(0, array.name, view).tobytes() in raw

    def some_extents(self, store: Store) -> list[Extent]:
        return self.extents(store.path)[:: self.every]

    def test_a_flipped_bit_of_a_feature_is_reported(self, store: Store) -> None:
        rng = np.random.default_rng(0)
        for extent in self.some_extents(store):
            at, mask = int(rng.integers(extent.stop - extent.start)), 1 << int(rng.integers(8))
            with (
                extent.flipped(at, mask),
                pytest.raises(StoreDamagedError, match=f"{store.path}: rows .*{RESTORE}"),
            ):
                content(open_store(store.path))
        content(open_store(store.path))  # all is restored: it was the flips

    def test_a_truncated_chunk_is_reported(self, store: Store) -> None:
        for extent, share in itertools.product(self.some_extents(store), [0.0, 0.5, 0.99]):
            with extent.truncated(int(share * (extent.stop - extent.start))), pytest.raises(StoreDamagedError):
                content(open_store(store.path))

    def test_a_deleted_chunk_is_reported(self, store: Store) -> None:
        for extent in self.some_extents(store):
            with extent.deleted(), pytest.raises((StoreDamagedError, StoreMissingError)):
                content(open_store(store.path))

    def test_verify_finds_no_damage_where_there_is_none(self, store: Store) -> None:
        assert verify(store) == []

    def test_verify_names_the_rows_of_a_flipped_bit(self, store: Store) -> None:
        extent, at = self._find(store.path, store.read_shard(1, "pixels", 1).tobytes())
        with extent.flipped(at):
            problems = verify(store.path)
        assert [problem.rows for problem in problems if problem.is_damage] == [range(4, 8)], problems

    def test_verify_finds_what_was_cut_or_deleted(self, store: Store) -> None:
        for extent in self.some_extents(store):
            with extent.truncated((extent.stop - extent.start) // 2):
                assert any(problem.is_damage for problem in verify(store.path))
            with extent.deleted():
                assert not store_exists(store.path) or any(problem.is_damage for problem in verify(store.path))

    def test_damage_of_one_shard_leaves_the_others_readable(self, store: Store) -> None:
        raw = store.read_shard(2, "tokens", 1).tobytes()
        extent, at = self._find(store.path, raw)
        with extent.flipped(at):
            rows = np.arange(8)
            assert store.read(rows, "tokens", 1).tobytes() == Example().values("tokens")[1][:8].tobytes()
            with pytest.raises(StoreDamagedError, match="rows 8-9 of tokens, view 1"):
                store.read(np.array([0, 9]), "tokens", 1)
            with pytest.raises(StoreDamagedError, match="rows 8-9 of tokens, view 1"):
                store.select(output="tokens", view=1).dask().compute(scheduler="synchronous")

    def _find(self, path: AnyPath, raw: bytes) -> tuple[Extent, int]:
        for extent in self.extents(path):
            at = extent.data.find(raw)
            if at >= 0:
                return extent, at
        raise AssertionError("the bytes are in no extent")

    def test_a_flipped_bit_anywhere_is_reported_or_changes_nothing(self, store: Store) -> None:
        """Also in metadata, columns and manifest: no reader sees another value, and none sees a library's error."""
        rng = np.random.default_rng(1)
        expected, n_reported = content(store), 0
        extents = [self.blobs.extent(name) for name in self.blobs.names(store.path)]
        for i in range(self.n_flips):
            extent = extents[i % len(extents)]
            with extent.flipped(int(rng.integers(extent.stop)), 1 << int(rng.integers(8))):
                try:
                    assert content(open_store(store.path)) == expected
                except CacheError:
                    n_reported += 1
        assert n_reported > self.n_flips / 10

    @pytest.mark.parametrize("name", ["label", "reason", "frame", "quality"])
    def test_a_changed_column_is_reported(self, damaged: Store, name: str) -> None:
        values = Example().columns[name].copy()
        values[3] = "happiness" if values.dtype == object else 7
        self.overwrite_column(damaged.path, name, values)
        with pytest.raises(
            StoreDamagedError, match=f"{damaged.path}: column {name} is not what was written. {RESTORE}"
        ):
            _ = open_store(damaged.path).frame
        assert len(open_store(damaged.path).read(np.arange(10))) == 10  # the features are intact

    def test_a_changed_manifest_is_reported(self, damaged: Store) -> None:
        text = damaged.manifest.to_text().replace('"n_rows":10', '"n_rows":9')
        self.overwrite_manifest(damaged.path, text)
        with pytest.raises(StoreDamagedError, match=f"{damaged.path}: its manifest is not what was written. {RESTORE}"):
            open_store(damaged.path)

    def test_a_newer_schema_is_refused(self, damaged: Store) -> None:
        values = {**json.loads(damaged.manifest.to_text()), "fer_stage_store": 2}
        self.overwrite_manifest(damaged.path, json.dumps(values))
        with pytest.raises(SchemaError, match="has schema 2, this program reads up to 1: update fer-stage"):
            open_store(damaged.path)

    def test_a_manifest_of_something_else_is_refused(self, damaged: Store) -> None:
        for text in ("", "{", "[]", "null", '{"fer_stage_store": "1"}', '{"other": 1}'):
            self.overwrite_manifest(damaged.path, text)
            with pytest.raises(SchemaError, match="is not a fer-stage store"):
                open_store(damaged.path)

    def test_what_is_no_store_is_refused(self, target: AnyPath) -> None:
        self.make_foreign(target)
        with pytest.raises(SchemaError, match=f"{target} is not a fer-stage store"):
            open_store(target)
