"""Nearest rows: exactly those of a plain float64 search over everything, whatever the rows hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cache.errors import QueryError, StoreDamagedError
from cache.half_floats import NOT_FINITE, Widening
from cache.neighbors import FlatIndex, Metric, nearest
from cache.testing.example import Example
from cache.testing.raw import DiskBlobs

METRICS = st.sampled_from(["cosine", "dot"])


def brute(features: npt.NDArray[Any], queries: npt.NDArray[Any], k: int, metric: Metric) -> tuple[list[Any], list[Any]]:
    """Rows and scores of the k best of all usable rows: float64 scores rounded to float32, then row numbers."""
    usable = np.flatnonzero(np.isfinite(features).all(axis=1))
    rows, scores = [], []
    for query in queries.astype(np.float64):
        result = [_score(features[row].astype(np.float64), query, metric) for row in usable]
        best = sorted(zip(usable.tolist(), result, strict=True), key=lambda pair: (-pair[1], pair[0]))[:k]
        rows.append([row for row, _ in best])
        scores.append([score for _, score in best])
    return rows, scores


def _score(row: npt.NDArray[np.float64], query: npt.NDArray[np.float64], metric: Metric) -> float:
    score = float((row * query).sum())
    if metric == "cosine":
        lengths = float(np.sqrt((row * row).sum()) * np.sqrt((query * query).sum()))
        score = score / lengths if lengths > 0 else 0.0
    return float(np.float32(score))


@st.composite
def searches(draw: st.DrawFn) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Rows with many equals, zeros, NaN, the tiny and the huge, and queries, some of them rows."""
    n, width = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from([np.float16, np.float32]))
    bits = 16 if dtype is np.float16 else 32
    numbers = st.sampled_from([0, 1, -1, 2, 0.5]) | st.floats(width=bits, allow_nan=False, allow_infinity=False)
    kinds = draw(hnp.arrays(dtype, (draw(st.integers(1, 6)), width), elements=numbers))
    features = kinds[draw(hnp.arrays(np.intp, n, elements=st.integers(0, len(kinds) - 1)))]
    features[draw(st.lists(st.integers(0, n - 1), max_size=4))] = draw(st.sampled_from([0, np.nan]))
    free = draw(hnp.arrays(np.float32, (2, width), elements=st.floats(-9, 9, width=32)))
    return features, np.concatenate([free, np.nan_to_num(features[:2].astype(np.float32))])


@given(searches(), st.integers(1, 50), METRICS)
def test_the_answer_is_that_of_a_plain_search(search: Any, k: int, metric: Metric) -> None:
    features, queries = search
    with np.errstate(over="ignore"):
        rows, scores = brute(features, queries, k, metric)
    for result in (nearest(features, queries, k, metric), FlatIndex(features).nearest(queries, k, metric)):
        assert result.rows.tolist() == rows
        assert result.scores.tolist() == scores
        assert (result.rows.dtype, result.scores.dtype) == (np.intp, np.float32)


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize(("dtype", "spread"), [(np.float16, 1e-3), (np.float32, 1e-6)])
def test_many_blocks_give_the_answer_of_one(metric: Metric, dtype: Any, spread: float) -> None:
    """3,000 rows of 512 are six blocks; the rows are so close to each other that float32 alone would mix them up."""
    features = (1000 * (1 + spread * np.random.default_rng(0).standard_normal((3000, 512)))).astype(dtype)
    features[1500:2500] = features[:1000]
    queries = features[[3, 1600]].astype(np.float32)
    rows, scores = brute(features, queries, 20, metric)
    result = nearest(features, queries, 20, metric)
    assert result.rows.tolist() == rows
    assert result.scores.tolist() == scores


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("width", [64, 63])
def test_many_queries_give_the_answers_of_one(metric: Metric, width: int) -> None:
    """5,000 queries are two groups, whose scores are compared some hundred rows at a time; rows repeat each other."""
    rng = np.random.default_rng(2)
    features = rng.standard_normal((9000, width)).astype(np.float16) * np.float16(1 + 40 * (metric == "dot"))
    features[5000:6000], features[7::50], features[8::600] = features[:1000], np.nan, 0
    queries = rng.standard_normal((5000, width)).astype(np.float32)
    queries[:100] = np.nan_to_num(features[4950:5050]).astype(np.float32)
    index = FlatIndex(features)
    many = index.nearest(queries, 7, metric)
    for i in (0, 7, 49, 57, 99, 4095, 4096, 4999):
        rows, scores = brute(features, queries[[i]], 7, metric)
        assert (many.rows[[i]].tolist(), many.scores[[i]].tolist()) == (rows, scores)
        assert index.nearest(queries[i], 7, metric).rows.tolist() == rows


def test_rows_that_are_nearer_and_nearer_are_all_looked_at() -> None:
    """The worst order: every block has rows that are nearer than all before."""
    features = np.linspace(-1, 1, 40_000)[:, None] * np.ones(32) + np.arange(32) / 100
    rows, scores = brute(features.astype(np.float16), np.ones((1, 32)), 5, "cosine")
    result = nearest(features.astype(np.float16), np.ones((9, 32)), 5)
    assert (result.rows.tolist(), result.scores.tolist()) == (9 * rows, 9 * scores)


def test_every_float16_is_widened_to_the_same_number() -> None:
    """All bit patterns: subnormal ones and both zeros too; those that are not finite become recognisably large."""
    values = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(-1, 8)
    widening = Widening(values.dtype, 8, len(values))
    even, odd = widening.true(values)
    widened = np.stack([even, odd], axis=2).reshape(values.shape)
    finite = np.isfinite(values)
    assert widened[finite].tobytes() == values[finite].astype(np.float32).tobytes()
    assert (np.abs(widened[~finite]) >= NOT_FINITE).all()
    assert (np.abs(widened[finite]) < NOT_FINITE).all()
    assert [part.tolist() for part in widening.split(values[:1].astype(np.float32))] == [
        even[:1].tolist(),
        odd[:1].tolist(),
    ]


def test_a_store_is_searched_in_pieces_of_whole_shards(tmp_path: Path) -> None:
    store = Example(n_rows=30).write(tmp_path / "example.zarr")  # shards of four rows
    selection = store.select("label != 'fear'")
    row_bytes = store.array().row_bytes
    for n_bytes in (1, 5 * row_bytes, 10**6):
        pieces = list(selection.chunks(n_bytes))
        assert np.concatenate([rows for rows, _ in pieces]).tolist() == selection.rows.tolist()
        assert np.concatenate([values for _, values in pieces]).tobytes() == selection.numpy().tobytes()
        shards = [set((rows // 4).tolist()) for rows, _ in pieces]
        assert sum(map(len, shards)) == len(set.union(*shards))  # no shard is read twice
    assert list(store.select("label == 'none'").chunks(1)) == []


def test_equal_rows_come_in_the_order_of_the_store() -> None:
    features = np.ones((2000, 300), np.float16)
    assert nearest(features, np.ones(300), 5).rows.tolist() == [[0, 1, 2, 3, 4]]
    assert nearest(features, np.zeros(300), 5).scores.tolist() == [[0, 0, 0, 0, 0]]


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_store_is_searched_among_the_rows_of_a_condition(tmp_path: Path, suffix: str) -> None:
    example = Example(n_rows=30)  # every seventh row is rejected
    store = example.write(tmp_path / f"example{suffix}")
    features = example.values("pooled")[1]
    rows, scores = brute(features, features[[5]], 30, "cosine")
    result = store.neighbors(features[5], 30, view=1)
    assert (result.rows.tolist(), result.scores.tolist()) == (rows, scores)
    assert not {row for row in range(30) if example.is_rejected(row)} & set(result.rows[0].tolist())
    test = [row for row in rows[0] if store.frame["split"][row] == "test"]
    assert store.neighbors(features[5], 4, "split == 'test'", view=1).rows.tolist() == [test[:4]]
    assert nearest(store.select(view=1).numpy(), features[5], 30).rows.tolist() == rows


def test_rows_of_several_axes_are_one_vector(tmp_path: Path) -> None:
    example = Example()
    store = example.write(tmp_path / "example.zarr")
    tokens = example.values("tokens")[0]
    result = store.neighbors(tokens[4].reshape(1, -1), 3, output="tokens", metric="dot")
    assert result.rows.tolist() == brute(tokens.reshape(10, -1), tokens[[4]].reshape(1, -1), 3, "dot")[0]


def test_nothing_to_search_gives_nothing(tmp_path: Path) -> None:
    store = Example().write(tmp_path / "example.zarr")
    assert store.neighbors(np.ones((2, 6)), 3, "label == 'none'").rows.shape == (2, 0)
    assert nearest(np.full((4, 3), np.nan), np.ones((2, 3)), 3).scores.shape == (2, 0)
    assert nearest(np.ones((4, 3)), np.ones((0, 3)), 3).rows.shape[0] == 0


def test_mistakes_are_answered(tmp_path: Path) -> None:
    store = Example().write(tmp_path / "example.zarr")
    with pytest.raises(QueryError, match="expected queries of width 6 as the features, found 5"):
        store.neighbors(np.ones(5), 3)
    with pytest.raises(QueryError, match="k > 0"):
        store.neighbors(np.ones(6), 0)
    with pytest.raises(QueryError, match="cosine or dot, found k 3, metric 'euclid'"):
        store.neighbors(np.ones(6), 3, metric="euclid")  # type: ignore[arg-type]  # a user's mistake
    with pytest.raises(QueryError, match="finite"):
        store.neighbors(np.full(6, np.nan), 3)
    with pytest.raises(QueryError, match="float features, found uint8"):
        store.neighbors(np.ones(48), 3, output="pixels")


def test_damaged_features_are_no_neighbours(tmp_path: Path) -> None:
    store = Example().write(tmp_path / "example.zarr")
    chunk = next(path for path in (tmp_path / "example.zarr" / "pooled" / "c").rglob("*") if path.is_file())
    with DiskBlobs().extent(str(chunk)).flipped(3), pytest.raises(StoreDamagedError):
        store.neighbors(np.ones(6), 3)
