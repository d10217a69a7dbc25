"""Reading: a finished store gives back exactly what was put."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from cache.errors import QueryError
from cache.places import AnyPath
from cache.schema import ArraySpec
from cache.store import Store, open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import ARRAYS, Example

__all__ = ["ReadingContract", "content"]


def content(store: Store) -> list[bytes]:
    """Every value of every output and view, and the columns: equal exactly if the stores are equal to a reader."""
    rows = np.arange(len(store))
    names = [array.name for array in store.manifest.schema.arrays]
    values = [store.read(rows, name, view).tobytes() for name in names for view in range(store.n_views())]
    return [*values, store.frame.to_json().encode(), repr(store.manifest).encode()]


class ReadingContract(BackendUnderTest):
    @pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.name)
    def test_features_come_back_bit_by_bit(self, store: Store, array: ArraySpec) -> None:
        example = Example()
        expected = example.values(array.name)
        for view in range(example.n_views):
            actual = store.read(np.arange(example.n_rows), array.name, view)
            assert actual.dtype == expected.dtype
            assert actual.tobytes() == expected[view].tobytes()  # bytes: NaN equals NaN

    @pytest.mark.parametrize("n_rows", [1, 3, 4, 5, 8])
    def test_any_number_of_rows_fits(self, target: AnyPath, example: Example, n_rows: int) -> None:
        example = example.other(n_rows=n_rows)
        store = example.write(target)
        assert len(store) == len(store.frame) == n_rows
        assert store.read(np.arange(n_rows)).tobytes() == example.values("pooled")[0].tobytes()

    def test_a_shard_of_rejected_rows_only_is_kept(self, target: AnyPath) -> None:
        example = Example(n_rows=3, shard_rows=1)  # row 2 is rejected: its shard equals the fill value
        store = example.write(target)
        assert np.isnan(store.read(np.array([2]))).all()
        assert not store.read(np.array([2]), "pixels").any()
        assert store.manifest.rejected == example.rejected(2)

    def test_columns_come_back(self, store: Store) -> None:
        frame, example = store.frame, Example()
        assert set(frame) == set(example.columns)
        for name, values in example.columns.items():
            assert frame[name].tolist() == pytest.approx(values.tolist(), nan_ok=True), name
        assert frame["frame"].dtype == np.int64
        assert frame["votes"].dtype == np.int32
        assert frame["quality"].dtype == np.float32

    def test_a_store_says_what_it_holds(self, store: Store) -> None:
        assert (len(store), store.n_views(), store.dataset) == (10, 2, "example")
        assert store.classes == ("surprise", "fear", "neutral")
        assert store.key == Example().key.digest
        assert store.encoder == {"encoder": {"family": "example"}, "preprocess": {"size": 4}, "precision": "float32"}
        assert (store.width(), store.width("tokens"), store.array("tokens").row_shape) == (6, 5, (3, 5))

    def test_frame_numpy_and_dask_agree(self, store: Store) -> None:
        selection = store.select("label != 'fear'", output="tokens", view=1)
        rows = [row for row in range(10) if row % 3 != 1]
        assert selection.rows.tolist() == selection.frame.index.tolist() == rows
        values = selection.numpy()
        assert values.tobytes() == Example().values("tokens")[1][rows].tobytes()
        lazy = selection.dask()
        assert (lazy.shape, lazy.dtype) == (values.shape, values.dtype)
        assert np.asarray(lazy.compute(scheduler="synchronous")).tobytes() == values.tobytes()

    def test_a_selection_of_nothing_is_empty(self, store: Store) -> None:
        selection = store.select("label == 'anger'", columns=["id"])
        assert len(selection) == len(selection.frame) == 0
        assert selection.numpy().shape == selection.dask().compute(scheduler="synchronous").shape == (0, 6)

    def test_a_selection_has_the_asked_columns_in_the_asked_order(self, store: Store) -> None:
        frame = store.select("frame >= 7", columns=["label", "id"], split="test").frame
        expected = pd.DataFrame({"label": ["neutral"], "id": ["Müller/表情-0008.png"]}, index=[8])
        pd.testing.assert_frame_equal(frame, expected, check_dtype=False)

    def test_rejected_rows_are_counted_and_never_returned(self, store: Store) -> None:
        # Rows 2 and 9 are rejected; 2 is in test, 9 in train.
        assert {split: store.rejected(split) for split in ("train", "val", "test")} == {"train": 1, "val": 0, "test": 1}
        assert store.ids("test").tolist() == ["Müller/表情-0005.png", "Müller/表情-0008.png"]
        assert store.labels("test").tolist() == ["neutral", "neutral"]
        features = store.features("test", "tokens", 1)
        assert features.tobytes() == Example().values("tokens")[1][[5, 8]].tobytes()
        assert not np.isnan(features).any()

    def test_rejected_rows_keep_their_place(self, store: Store) -> None:
        selection = store.select("status == 'rejected'")
        assert selection.rows.tolist() == [2, 9]
        assert np.isnan(selection.numpy()).all()
        assert "«défaut»" in selection.frame["reason"][9]

    def test_wrong_names_are_answered_with_the_right_ones(self, store: Store) -> None:
        with pytest.raises(QueryError, match=r"has the outputs pooled, tokens, pixels, not 'patches'\Z") as unknown:
            store.features("train", "patches")
        [(command, arguments)] = unknown.value.remedy
        assert (command, arguments["dataset"]) == ("extract", "example")
        assert arguments["outputs"] == ["pooled", "tokens", "pixels", "patches"]
        with pytest.raises(QueryError, match="views 0 to 1, not 2"):
            store.features("train", view=2)
        with pytest.raises(QueryError, match=r"no column colour; there are .*label"):
            store.select(columns=["colour"])
        with pytest.raises(QueryError, match="cannot be read"):
            store.select("")

    def test_a_pickled_store_reads_the_same(self, store: Store) -> None:
        store = open_store(store.path)
        assert content(pickle.loads(pickle.dumps(store))) == content(store)  # before and after the frame is cached
        assert content(pickle.loads(pickle.dumps(store))) == content(store)

    def test_threads_read_the_same(self, store: Store) -> None:
        expected = content(store)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(content, [open_store(store.path) for _ in range(4)])) == [expected] * 4
