"""Exports: what another program reads is what the store holds, bit for bit, and says whose features it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray
from safetensors import safe_open

from cache.errors import QueryError, StorageError, StoreDamagedError
from cache.export_formats import ExportForm
from cache.schema import ArraySpec
from cache.store import Store
from cache.testing.example import ARRAYS, Example
from cache.testing.raw import DiskBlobs

EXAMPLE = Example(n_rows=20)
OUTPUTS = [array.name for array in ARRAYS]
SUFFIXES = ["parquet", "npy", "safetensors"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return EXAMPLE.write(tmp_path_factory.mktemp("features") / "encoder" / "example.zarr")


def _check_description(about: str, store: Store, output: str, rows: int) -> None:
    description = json.loads(about)
    assert description["key"] == store.key
    assert description["encoder"] == dict(store.encoder)
    assert description["provenance"] == dict(store.manifest.provenance)
    assert (description["output"], description["view"], description["rows"]) == (output, 1, rows)
    assert tuple(description["row_shape"]) == store.array(output).row_shape


@pytest.mark.parametrize("output", OUTPUTS)
def test_parquet_round_trip(store: Store, tmp_path: Path, output: str) -> None:
    chosen = store.select("frame > 3 and status == 'ok'", output=output, view=1)
    assert chosen.export(tmp_path / "out.parquet") == (tmp_path / "out.parquet",)
    table = pq.read_table(tmp_path / "out.parquet")
    feature = table.column(output).combine_chunks()
    assert pa.types.is_fixed_size_list(feature.type)
    assert feature.flatten().to_numpy().tobytes() == chosen.numpy().tobytes()
    found = table.drop_columns([output]).to_pandas()
    pd.testing.assert_frame_equal(found, chosen.frame.reset_index(drop=True), check_dtype=False)
    _check_description(table.schema.metadata[b"fer_stage"].decode(), store, output, len(chosen))


def test_parquet_keeps_half_floats(store: Store, tmp_path: Path) -> None:
    store.select("status == 'ok'").export(tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").field("pooled").type == pa.list_(pa.float16(), 6)


def test_parquet_groups_hold_all_rows_in_order(tmp_path: Path) -> None:
    big = Example(80, 32, 1, (ArraySpec("pooled", (65536,), "float16"),)).write(tmp_path / "big.h5")  # 10 MB
    big.select().export(tmp_path / "out.parquet")
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [64, 16]
    table = file.read()
    assert table.column("id").to_pylist() == big.frame["id"].tolist()
    usable, feature = (big.frame["status"] == "ok").to_numpy(), table.column("pooled").combine_chunks()
    assert feature.is_valid().to_numpy(zero_copy_only=False).tolist() == usable.tolist()
    assert feature.flatten().to_numpy().tobytes() == big.select("status == 'ok'").numpy().tobytes()


@pytest.mark.parametrize("output", OUTPUTS)
def test_npy_round_trip(store: Store, tmp_path: Path, output: str) -> None:
    chosen = store.select("split == 'test'", output=output, view=1, columns=["label", "quality"])
    written = chosen.export(tmp_path / "out.npy")
    assert [path.name for path in written] == ["out.npy", "out.npy.csv", "out.npy.json"]
    found, expected = np.load(written[0]), chosen.numpy()
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    columns = pd.read_csv(written[1])
    assert list(columns) == ["id", "label", "quality"]  # the id is always there
    assert columns["id"].tolist() == store.frame["id"][chosen.rows].tolist()
    np.testing.assert_array_equal(columns["quality"].to_numpy(np.float32), chosen.frame["quality"])
    _check_description(json.dumps(json.loads(written[2].read_text())["fer_stage"]), store, output, len(chosen))


@pytest.mark.parametrize("output", OUTPUTS)
def test_safetensors_round_trip(store: Store, tmp_path: Path, output: str) -> None:
    chosen = store.select("split == 'val'", output=output, view=1)
    written = chosen.export(tmp_path / "out.safetensors")
    with safe_open(written[0], "numpy") as file:
        assert list(file.keys()) == [output]
        assert file.get_tensor(output).tobytes() == chosen.numpy().tobytes()
        assert file.get_tensor(output).shape == chosen.numpy().shape
        _check_description(file.metadata()["fer_stage"], store, output, len(chosen))
    assert pd.read_csv(written[1])["id"].tolist() == chosen.frame["id"].tolist()
    assert int.from_bytes(written[0].read_bytes()[:8], "little") % 8 == 0  # the features after it are aligned


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_and_a_column_of_scores_are_fine(store: Store, tmp_path: Path, suffix: str) -> None:
    written = store.select("label == 'none'").export(tmp_path / f"out.{suffix}")
    assert all(path.stat().st_size for path in written)
    chosen = store.select("frame < 3")
    again = chosen.export(tmp_path / f"out.{suffix}", added={"score": np.arange(len(chosen), dtype=np.float32)})
    assert again == written  # replaced, as of an export is expected
    read = pd.read_parquet if suffix == "parquet" else pd.read_csv
    assert read(again[min(1, len(again) - 1)])["score"].tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in again)


def test_a_format_can_be_named(store: Store, tmp_path: Path) -> None:
    written = store.select().export(tmp_path / "features.bin", format="npy")
    assert np.load(written[0]).shape == (20, 6)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("out.csv", "expected a name that ends with .parquet, .npy, .safetensors, found 'csv'"),
        ("out", "'no suffix'"),
        ("out.zarr", "found 'zarr'"),
        ("there.npy", "it is a folder"),
        ("other.zarr/out.npy", "is a store; write next to it"),
        ("other.h5/x/out.npy", "is a store; write next to it"),
    ],
)
def test_what_is_no_export_is_refused(store: Store, tmp_path: Path, name: str, answer: str) -> None:
    (tmp_path / "there.npy").mkdir()
    with pytest.raises(QueryError, match=answer):
        store.select().export(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.npy"]


def test_an_export_to_a_store_names_the_conversion(store: Store, tmp_path: Path) -> None:
    with pytest.raises(QueryError) as refused:
        store.select().export(tmp_path / "out.zarr")
    arguments = {"store": str(store.path), "target": str(tmp_path / "out.zarr")}
    assert refused.value.remedy == [("store convert", arguments)]
    with pytest.raises(QueryError) as refused:
        store.select().export(tmp_path / "out.csv")
    assert not refused.value.remedy


def test_a_place_elsewhere_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="expected a file of this machine"):
        store.select().export("memory://somewhere/out.npy")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_leaves_the_earlier_export_and_nothing_half_written(tmp_path: Path, suffix: str) -> None:
    store = Example().write(tmp_path / "features" / "example.h5")
    target = tmp_path / f"out.{suffix}"
    target.write_text("earlier")
    extent = DiskBlobs().extent(str(store.path))
    with extent.flipped(extent.data.find(store.read(np.array([8])).tobytes())), pytest.raises(StoreDamagedError):
        store.select().export(target)
    assert target.read_text() == "earlier"
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_a_refusing_disk_is_a_clear_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file is where a folder is needed"):
        store.select().export(tmp_path / "file" / "out.npy")


# --- rows without a feature, dtypes, lists: as the programs read them that people have


REJECTED = [row for row in range(EXAMPLE.n_rows) if EXAMPLE.is_rejected(row)]


@pytest.fixture(scope="module")
def with_views(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store as `extract` makes it: rows of other splits than train have no view beyond the plain one."""
    path = tmp_path_factory.mktemp("views") / "encoder" / "example.h5"
    writer = EXAMPLE.begin(path)
    plain = EXAMPLE.columns["split"] != "train"
    for shard in range(EXAMPLE.schema.n_shards):
        rows, blocks = EXAMPLE.schema.rows(shard), EXAMPLE.blocks(shard)
        for array in EXAMPLE.arrays:
            blocks[array.name][1, plain[rows.start : rows.stop]] = array.missing
        writer.put(shard, blocks, EXAMPLE.rejected(shard))
    return EXAMPLE.finish(writer)


@pytest.mark.parametrize("output", OUTPUTS)
def test_rejected_rows_are_null_in_parquet_for_every_reader(store: Store, tmp_path: Path, output: str) -> None:
    path = store.select(output=output).export(tmp_path / "out.parquet", form=ExportForm())[0]
    arrow = pq.read_table(path).column(output)
    assert [i for i, valid in enumerate(arrow.is_valid().to_pylist()) if not valid] == REJECTED
    frame = pd.read_parquet(path)
    assert [i for i, value in enumerate(frame[output]) if value is None] == REJECTED
    assert [i for i, null in enumerate(polars.read_parquet(path)[output].is_null()) if null] == REJECTED
    ids = duckdb.sql(f"select id from '{path}' where {output} is null").fetchall()
    assert sorted(name for (name,) in ids) == sorted(store.frame["id"].iloc[REJECTED])


def test_the_nearest_rows_in_duckdb_are_rows_with_a_feature(store: Store, tmp_path: Path) -> None:
    """It ranks NaN before all numbers when it sorts downwards: three rejected rows were the nearest."""
    query = store.read(np.array([4]))[0].astype(np.float32)
    expected = store.frame["id"].iloc[store.neighbors(query, 3).rows[0]].tolist()
    path = store.select().export(tmp_path / "all.parquet")[0]
    similarity = f"array_cosine_similarity(pooled::float[6], {query.tolist()}::float[6])"
    found = duckdb.sql(f"select id from '{path}' order by {similarity} desc limit 3").fetchall()
    assert [name for (name,) in found] == expected
    dropped = store.select().export(tmp_path / "dropped.parquet", form=ExportForm("drop"))[0]
    similarity = f"list_cosine_similarity(pooled, {query.tolist()}::float[])"
    found = duckdb.sql(f"select id from '{dropped}' order by {similarity} desc limit 3").fetchall()
    assert [name for (name,) in found] == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_dropped_rows_are_in_no_file_and_ids_stay_aligned(store: Store, tmp_path: Path, suffix: str) -> None:
    chosen = store.select(columns=["label"])
    scores = np.arange(len(chosen), dtype=np.float32)
    written = chosen.export(tmp_path / f"out.{suffix}", added={"score": scores}, form=ExportForm("drop"))
    features, columns = _read_back(written, suffix)
    usable = np.flatnonzero((store.frame["status"] == "ok").to_numpy())
    assert features.tobytes() == store.read(usable).tobytes()
    assert columns["id"].tolist() == store.frame["id"].iloc[usable].tolist()
    assert columns["score"].tolist() == usable.tolist()


@pytest.mark.parametrize("suffix", ["npy", "safetensors"])
def test_kept_rows_without_a_feature_are_nan_in_arrays_and_counted(store: Store, tmp_path: Path, suffix: str) -> None:
    written = store.select().export(tmp_path / f"out.{suffix}")
    features, columns = _read_back(written, suffix)
    assert np.flatnonzero(np.isnan(features).all(axis=1)).tolist() == REJECTED
    assert columns["id"].tolist() == store.frame["id"].tolist()
    if suffix == "npy":
        assert json.loads(written[2].read_text())["fer_stage"]["rows_without_feature"] == len(REJECTED)


@pytest.mark.parametrize("output", OUTPUTS)
def test_rows_without_the_view_are_rows_without_a_feature(with_views: Store, tmp_path: Path, output: str) -> None:
    usable = with_views.frame[(with_views.frame["split"] == "train") & (with_views.frame["status"] == "ok")].index
    chosen = with_views.select(output=output, view=1)
    assert np.flatnonzero(~chosen.without_feature).tolist() == usable.tolist()
    chosen.export(tmp_path / "out.parquet")
    valid = pq.read_table(tmp_path / "out.parquet").column(output).is_valid().to_pylist()
    assert [i for i, there in enumerate(valid) if there] == usable.tolist()
    written = chosen.export(tmp_path / "out.npy", form=ExportForm("drop"))
    assert np.load(written[0]).tobytes() == with_views.read(usable.to_numpy(), output, 1).tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_float32_is_the_stored_number_in_every_reader(store: Store, tmp_path: Path, suffix: str) -> None:
    chosen = store.select("status == 'ok'")
    written = chosen.export(tmp_path / f"out.{suffix}", form=ExportForm(dtype="float32"))
    features, _columns = _read_back(written, suffix)
    assert features.dtype == np.float32
    assert features.tobytes() == chosen.numpy().astype(np.float32).tobytes()


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("rejected", ["rejected", "none"])
def test_lists_are_read_by_every_program(store: Store, tmp_path: Path, dtype: Any, plain: bool, rejected: str) -> None:
    """Among rows without a feature lists are plain: pyarrow up to 21 has no null among fixed sizes."""
    where = f"status in ('ok', '{rejected}')"
    path = store.select(where).export(tmp_path / "out.parquet", form=ExportForm(dtype=dtype, plain_list=plain))[0]
    element = pa.from_numpy_dtype(np.dtype(dtype or "float16"))
    fixed = not plain and rejected != "rejected"
    assert pq.read_schema(path).field("pooled").type == (pa.list_(element, 6) if fixed else pa.list_(element))
    chosen = store.select(where)
    values = zip(chosen.rows, chosen.numpy().tolist(), strict=True)
    expected = [None if row in REJECTED else value for row, value in values]
    assert pq.read_table(path)["pooled"].to_pylist() == expected
    as_pandas = [None if value is None else value.tolist() for value in pd.read_parquet(path)["pooled"]]
    as_duckdb = [
        None if value is None else list(value) for (value,) in duckdb.sql(f"select pooled from '{path}'").fetchall()
    ]
    assert as_pandas == as_duckdb == polars.read_parquet(path)["pooled"].to_list() == expected


def test_a_form_that_does_not_suit_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"dtype float32: pixels is uint8, not of floats\. Leave dtype out"):
        store.select(output="pixels").export(tmp_path / "out.npy", form=ExportForm(dtype="float32"))
    with pytest.raises(QueryError, match="a plain list is of Parquet: npy has arrays only"):
        store.select().export(tmp_path / "out.npy", form=ExportForm(plain_list=True))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_row_without_a_frame_has_none_in_any_export(store: Store, tmp_path: Path, suffix: str) -> None:
    """-1 is ours: `where frame < 16` in another program would choose such rows."""
    written = store.select(columns=["frame"]).export(tmp_path / f"out.{suffix}")
    columns = _read_back(written, suffix)[1] if suffix != "parquet" else pd.read_parquet(written[0])
    assert np.flatnonzero(columns["frame"].isna()).tolist() == [0]
    assert columns["frame"].dropna().tolist() == list(range(19))
    if suffix == "parquet":
        assert pq.read_schema(written[0]).field("frame").type == pa.int64()


def test_xarray_opens_a_store(store: Store) -> None:
    found = xarray.open_zarr(str(store.path), consolidated=False)
    assert {name: found[name].dims for name in OUTPUTS} == {
        "pooled": ("view", "row", "feature"),
        "tokens": ("view", "row", "tokens_position", "tokens_feature"),
        "pixels": ("view", "row", "y", "x", "channel"),
    }
    assert found["pooled"].isel(view=1).to_numpy().tobytes() == store.select(view=1).numpy().tobytes()
    columns = xarray.open_zarr(str(store.path), group="columns", consolidated=False)
    assert columns["id"].dims == ("row",)
    assert columns["id"].to_numpy().tolist() == store.frame["id"].tolist()


def _read_back(written: tuple[Path, ...], suffix: str) -> tuple[npt.NDArray[Any], pd.DataFrame]:
    """Features of shape (N, D), and columns."""
    if suffix == "parquet":
        table = pq.read_table(written[0])
        flat = table.column("pooled").combine_chunks().flatten().to_numpy()
        return flat.reshape(len(table), -1), table.drop_columns(["pooled"]).to_pandas()
    if suffix == "npy":
        return np.load(written[0]), pd.read_csv(written[1])
    with safe_open(written[0], "numpy") as file:
        return file.get_tensor("pooled"), pd.read_csv(written[1])
