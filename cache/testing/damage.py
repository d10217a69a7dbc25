"""Damage: what is not what was written is reported by the read that touches it, never handed out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cache.errors import CacheError, SchemaError, StoreDamagedError, StoreMissingError
from cache.store import Store, open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.testing.raw import Extent, files
from cache.testing.reading import content

__all__ = ["DamageContract"]

MEND = "Restore the store, or delete it and extract again"


class DamageContract(BackendUnderTest):
    n_flips = 60  # positions of the sweep over a whole store

    @pytest.fixture
    def store(self, target: Path, example: Example) -> Store:
        return example.write(target)

    def test_the_extents_are_all_features(self, store: Store) -> None:
        """The tests below stand on it: raw bytes of the disk, found past our reader."""
        raw = b"".join(extent.file.read_bytes()[extent.start : extent.stop] for extent in self.extents(store.path))
        for array in store.manifest.schema.arrays:
            for view in range(store.n_views()):
                assert store.read_shard(0, array.name, view).tobytes() in raw

    def test_a_flipped_bit_of_a_feature_is_reported(self, store: Store) -> None:
        rng = np.random.default_rng(0)
        for extent in self.extents(store.path):
            at, mask = int(rng.integers(extent.stop - extent.start)), 1 << int(rng.integers(8))
            with extent.flipped(at, mask), pytest.raises(StoreDamagedError, match=f"{store.path}: rows .*{MEND}"):
                content(open_store(store.path))
        content(open_store(store.path))  # all is mended: it was the flips

    @pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
    def test_a_truncated_chunk_is_reported(self, store: Store, share: float) -> None:
        for extent in self.extents(store.path):
            with extent.truncated(int(share * (extent.stop - extent.start))), pytest.raises(StoreDamagedError):
                content(open_store(store.path))

    def test_a_deleted_chunk_is_reported(self, store: Store) -> None:
        for extent in self.extents(store.path):
            with extent.deleted(), pytest.raises((StoreDamagedError, StoreMissingError)):
                content(open_store(store.path))

    def test_damage_of_one_shard_leaves_the_others_readable(self, store: Store, example: Example) -> None:
        raw = store.read_shard(2, "tokens", 1).tobytes()
        extent, at = self._find(store.path, raw)
        with extent.flipped(at):
            rows = np.arange(8)
            assert store.read(rows, "tokens", 1).tobytes() == example.values("tokens")[1][:8].tobytes()
            with pytest.raises(StoreDamagedError, match="rows 8-9 of tokens, view 1"):
                store.read(np.array([0, 9]), "tokens", 1)
            with pytest.raises(StoreDamagedError, match="rows 8-9 of tokens, view 1"):
                store.select(output="tokens", view=1).dask().compute(scheduler="synchronous")

    def _find(self, path: Path, raw: bytes) -> tuple[Extent, int]:
        for extent in self.extents(path):
            at = extent.file.read_bytes()[extent.start : extent.stop].find(raw)
            if at >= 0:
                return extent, at
        raise AssertionError("the bytes are in no extent")

    def test_a_flipped_bit_anywhere_is_reported_or_changes_nothing(self, store: Store) -> None:
        """Also in metadata, columns and manifest: no reader sees another value, and none sees a library's error."""
        rng = np.random.default_rng(1)
        wanted, n_reported = content(store), 0
        pieces = [Extent(file, 0, file.stat().st_size) for file in files(store.path)]
        for i in range(self.n_flips):
            piece = pieces[i % len(pieces)]
            with piece.flipped(int(rng.integers(piece.stop)), 1 << int(rng.integers(8))):
                try:
                    assert content(open_store(store.path)) == wanted
                except CacheError:
                    n_reported += 1
        assert n_reported > self.n_flips / 10

    @pytest.mark.parametrize("name", ["label", "reason", "frame", "quality"])
    def test_a_changed_column_is_reported(self, store: Store, example: Example, name: str) -> None:
        values = example.columns[name].copy()
        values[3] = "happiness" if values.dtype == object else 7
        self.overwrite_column(store.path, name, values)
        with pytest.raises(StoreDamagedError, match=f"{store.path}: column {name} is not what was written. {MEND}"):
            _ = open_store(store.path).frame
        assert len(open_store(store.path).read(np.arange(10))) == 10  # the features are whole

    def test_a_changed_manifest_is_reported(self, store: Store) -> None:
        text = store.manifest.to_text().replace('"n_rows":10', '"n_rows":9')
        self.overwrite_manifest(store.path, text)
        with pytest.raises(StoreDamagedError, match=f"{store.path}: its manifest is not what was written. {MEND}"):
            open_store(store.path)

    def test_a_newer_schema_is_refused(self, store: Store) -> None:
        said = {**json.loads(store.manifest.to_text()), "fer_stage_store": 2}
        self.overwrite_manifest(store.path, json.dumps(said))
        with pytest.raises(SchemaError, match="has schema 2, this program reads up to 1: update fer-stage"):
            open_store(store.path)

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"fer_stage_store": "1"}', '{"other": 1}'])
    def test_a_manifest_of_something_else_is_refused(self, store: Store, text: str) -> None:
        self.overwrite_manifest(store.path, text)
        with pytest.raises(SchemaError, match="is not a fer-stage store"):
            open_store(store.path)

    def test_what_is_no_store_is_refused(self, target: Path) -> None:
        target.parent.mkdir(parents=True)
        self.make_foreign(target)
        with pytest.raises(SchemaError, match=f"{target} is not a fer-stage store"):
            open_store(target)

    def test_a_file_of_anything_is_refused(self, target: Path) -> None:
        target.parent.mkdir(parents=True)
        target.write_bytes(b"anything")
        with pytest.raises(SchemaError, match=f"{target} is not a fer-stage store"):
            open_store(target)

    def test_an_empty_folder_is_refused(self, target: Path) -> None:
        target.mkdir(parents=True)
        with pytest.raises(SchemaError, match=f"{target} is not a fer-stage store"):
            open_store(target)
