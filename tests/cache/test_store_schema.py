"""The plan of shards: pure arithmetic, so its promises are properties."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cache.fields import Fields
from cache.schema import CHUNK_BYTES, MAX_ROW_BYTES, SHARD_BYTES, ArraySpec, Schema, plan_shards, read_together

DTYPES = st.sampled_from(["float16", "float32", "uint8"])
SHAPES = st.lists(st.integers(1, 600), min_size=1, max_size=3).map(tuple)
NAMES = st.lists(st.sampled_from(["pooled", "tokens", "block-3"]), min_size=1, unique=True)
ARRAYS = NAMES.flatmap(lambda names: st.tuples(*(st.builds(ArraySpec, st.just(n), SHAPES, DTYPES) for n in names)))
SCHEMAS = st.builds(Schema.plan, st.integers(1, 5000), st.integers(1, 8), ARRAYS)


@given(SCHEMAS)
def test_shards_cover_every_row_once_and_in_order(schema: Schema) -> None:
    rows = [row for shard in range(schema.n_shards) for row in schema.rows(shard)]
    assert rows == list(range(schema.n_rows))


@given(SCHEMAS)
def test_no_shard_is_empty_and_only_the_last_is_short(schema: Schema) -> None:
    lengths = [len(schema.rows(shard)) for shard in range(schema.n_shards)]
    assert all(length == schema.shard_rows for length in lengths[:-1])
    assert 1 <= lengths[-1] <= schema.shard_rows <= 512


@given(SCHEMAS)
def test_a_chunk_never_crosses_a_shard(schema: Schema) -> None:
    for array in schema.arrays:
        assert schema.shard_rows % schema.chunk_rows(array) == 0


@given(SCHEMAS)
def test_shards_and_chunks_are_bounded_unless_a_single_row_is_larger(schema: Schema) -> None:
    row_bytes = schema.n_views * sum(array.row_bytes for array in schema.arrays)
    assert schema.shard_rows == 1 or schema.shard_rows * row_bytes <= SHARD_BYTES
    for array in schema.arrays:
        assert schema.chunk_rows(array) == 1 or schema.chunk_rows(array) * array.row_bytes <= CHUNK_BYTES


@given(SCHEMAS)
def test_a_schema_survives_json(schema: Schema) -> None:
    assume(schema.n_views * sum(array.row_bytes for array in schema.arrays) <= MAX_ROW_BYTES)
    assert Schema.from_json(Fields.of("a plan", json.loads(json.dumps(schema.as_json())))) == schema


@given(st.integers(1, 20), st.sets(st.integers(0, 19)))
def test_what_is_done_is_not_planned_again(n_rows: int, done: set[int]) -> None:
    schema = Schema(n_rows, 1, (ArraySpec("pooled", (4,), "float16"),), 1)
    planned = plan_shards(schema, done)
    assert planned == sorted(set(range(n_rows)) - done)


@pytest.mark.parametrize(
    ("n_rows", "n_views", "row_shape", "dtype", "shard_rows", "chunk_rows"),
    [
        (12271, 1, (512,), "float16", 512, 512),  # 1 kB a row: 512 rows are the limit
        (12271, 4, (224, 224, 3), "uint8", 256, 32),  # 147 kB x 4: 445 rows fit in 256 MB; 55 rows in 8 MB
        (2**24, 1, (512,), "float16", 512, 512),  # 16.8 million rows: 32,768 shards
        (2**24 + 1, 1, (512,), "float16", 1024, 1024),
        (10**8, 1, (512,), "float16", 4096, 4096),  # 24,415 shards of 4 MB
        (10**9, 1, (512,), "float16", 32_768, 8192),  # 30,518 shards of 32 MB, in four chunks each
        (10**9, 1, (50, 768), "float16", 2048, 64),  # 77 kB a row: 256 MB are the limit
        (7, 1, (20_000, 20_000), "uint8", 1, 1),  # 400 MB a row: still one row each
    ],
)
def test_the_plan_for_known_cases(
    n_rows: int, n_views: int, row_shape: tuple[int, ...], dtype: str, shard_rows: int, chunk_rows: int
) -> None:
    array = ArraySpec("output", row_shape, dtype)
    schema = Schema.plan(n_rows, n_views, (array,))
    assert (schema.shard_rows, schema.chunk_rows(array)) == (shard_rows, chunk_rows)


def test_the_value_for_missing_can_never_be_trained_on() -> None:
    assert ArraySpec("pooled", (4,), "float16").missing != ArraySpec("pooled", (4,), "float16").missing  # NaN
    assert ArraySpec("pixels", (4,), "uint8").missing == 0


@given(st.lists(st.integers(0, 99), unique=True), st.integers(0, 2 * CHUNK_BYTES))
def test_what_is_read_by_one_call_is_every_shard_in_order_and_bounded(shards: list[int], shard_bytes: int) -> None:
    groups = read_together(shards, shard_bytes)
    assert [shard for group in groups for shard in group] == shards
    assert all(len(group) == 1 or 0 < len(group) * shard_bytes <= CHUNK_BYTES or not shard_bytes for group in groups)
    assert len(groups) <= 1 + 2 * len(shards) * shard_bytes / CHUNK_BYTES  # and they are not needlessly small
