"""Exports: what another program reads is what the store holds, bit for bit, and says whose features it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from cache.errors import QueryError, StorageError, StoreDamagedError
from cache.schema import ArraySpec
from cache.store import Store
from cache.testing.example import ARRAYS, Example

EXAMPLE = Example(n_rows=20)
OUTPUTS = [array.name for array in ARRAYS]
ENDINGS = ["parquet", "npy", "safetensors"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return EXAMPLE.write(tmp_path_factory.mktemp("features") / "encoder" / "example.zarr")


def _said(about: str, store: Store, output: str, rows: int) -> None:
    found = json.loads(about)
    assert found["key"] == store.key
    assert found["encoder"] == dict(store.encoder)
    assert found["provenance"] == dict(store.manifest.provenance)
    assert (found["output"], found["view"], found["rows"]) == (output, 1, rows)
    assert tuple(found["row_shape"]) == store.array(output).row_shape


@pytest.mark.parametrize("output", OUTPUTS)
def test_parquet_round_trip(store: Store, tmp_path: Path, output: str) -> None:
    chosen = store.select("frame > 3", output=output, view=1)
    assert chosen.export(tmp_path / "out.parquet") == (tmp_path / "out.parquet",)
    table = pq.read_table(tmp_path / "out.parquet")
    feature = table.column(output).combine_chunks()
    assert pa.types.is_fixed_size_list(feature.type)
    assert feature.flatten().to_numpy().tobytes() == chosen.numpy().tobytes()
    found = table.drop_columns([output]).to_pandas()
    pd.testing.assert_frame_equal(found, chosen.frame.reset_index(drop=True), check_dtype=False)
    _said(table.schema.metadata[b"fer_stage"].decode(), store, output, len(chosen))


def test_parquet_keeps_half_floats(store: Store, tmp_path: Path) -> None:
    store.select().export(tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").field("pooled").type == pa.list_(pa.float16(), 6)


def test_parquet_groups_hold_all_rows_in_order(tmp_path: Path) -> None:
    big = Example(80, 32, 1, (ArraySpec("pooled", (65536,), "float16"),)).write(tmp_path / "big.h5")  # 10 MB
    big.select().export(tmp_path / "out.parquet")
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [64, 16]
    table = file.read()
    assert table.column("id").to_pylist() == big.frame["id"].tolist()
    assert table.column("pooled").combine_chunks().flatten().to_numpy().tobytes() == big.select().numpy().tobytes()


@pytest.mark.parametrize("output", OUTPUTS)
def test_npy_round_trip(store: Store, tmp_path: Path, output: str) -> None:
    chosen = store.select("split == 'test'", output=output, view=1, columns=["label", "quality"])
    written = chosen.export(tmp_path / "out.npy")
    assert [path.name for path in written] == ["out.npy", "out.npy.csv", "out.npy.json"]
    found, wanted = np.load(written[0]), chosen.numpy()
    assert (found.dtype, found.shape, found.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())
    columns = pd.read_csv(written[1])
    assert list(columns) == ["id", "label", "quality"]  # the id is always there
    assert columns["id"].tolist() == store.frame["id"][chosen.rows].tolist()
    np.testing.assert_array_equal(columns["quality"].to_numpy(np.float32), chosen.frame["quality"])
    _said(json.dumps(json.loads(written[2].read_text())["fer_stage"]), store, output, len(chosen))


@pytest.mark.parametrize("output", OUTPUTS)
def test_safetensors_round_trip(store: Store, tmp_path: Path, output: str) -> None:
    chosen = store.select("split == 'val'", output=output, view=1)
    written = chosen.export(tmp_path / "out.safetensors")
    with safe_open(written[0], "numpy") as file:
        assert list(file.keys()) == [output]
        assert file.get_tensor(output).tobytes() == chosen.numpy().tobytes()
        assert file.get_tensor(output).shape == chosen.numpy().shape
        _said(file.metadata()["fer_stage"], store, output, len(chosen))
    assert pd.read_csv(written[1])["id"].tolist() == chosen.frame["id"].tolist()
    assert int.from_bytes(written[0].read_bytes()[:8], "little") % 8 == 0  # the features after it are aligned


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_rows_and_a_column_of_scores_are_fine(store: Store, tmp_path: Path, ending: str) -> None:
    written = store.select("label == 'none'").export(tmp_path / f"out.{ending}")
    assert all(path.stat().st_size for path in written)
    chosen = store.select("frame < 2")
    again = chosen.export(tmp_path / f"out.{ending}", added={"score": np.arange(len(chosen), dtype=np.float32)})
    assert again == written  # replaced, as of an export is expected
    read = pd.read_parquet if ending == "parquet" else pd.read_csv
    assert read(again[min(1, len(again) - 1)])["score"].tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in again)


def test_a_format_can_be_named(store: Store, tmp_path: Path) -> None:
    written = store.select().export(tmp_path / "features.bin", format="npy")
    assert np.load(written[0]).shape == (20, 6)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("out.csv", "expected a name that ends with .parquet, .npy, .safetensors, found 'csv'"),
        ("out", "'no ending'"),
        ("out.zarr", "fer-stage store convert"),
        ("there.npy", "a folder stands there"),
        ("other.zarr/out.npy", "is a store; write beside it"),
        ("other.h5/x/out.npy", "is a store; write beside it"),
    ],
)
def test_what_is_no_export_is_refused(store: Store, tmp_path: Path, name: str, answer: str) -> None:
    (tmp_path / "there.npy").mkdir()
    with pytest.raises(QueryError, match=answer):
        store.select().export(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.npy"]


def test_a_place_elsewhere_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="expected a file of this machine"):
        store.select().export("memory://somewhere/out.npy")


@pytest.mark.parametrize("ending", ENDINGS)
def test_damage_leaves_the_earlier_export_and_nothing_half_written(tmp_path: Path, ending: str) -> None:
    store = Example().write(tmp_path / "features" / "example.h5")
    target = tmp_path / f"out.{ending}"
    target.write_text("earlier")
    data = bytearray(store.path.read_bytes())
    at = data.find(store.read(np.array([8])).tobytes())
    data[at] ^= 1
    store.path.write_bytes(data)
    with pytest.raises(StoreDamagedError):
        store.select().export(target)
    assert target.read_text() == "earlier"
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_a_refusing_disk_is_a_clear_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        store.select().export(tmp_path / "file" / "out.npy")
