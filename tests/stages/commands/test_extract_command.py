"""fer-stage extract: encodes what is new and nothing else, keeps every row, says what it did."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cache
from pipeline.tables.samples import SampleTable, TableInfo
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
EXTRACT = ("extract", "--dataset", "sample-e", "--decoders", "1", "--format", "json")


def _rewrite(dataset: str, **columns: Any) -> None:
    """Change columns of a sample table on disk."""
    path = Path("tables", f"{dataset}.parquet")
    table = SampleTable.read(path)
    write_table(SampleTable(table.frame.assign(**columns), table.info), path)


def test_the_summary_has_rows_key_path_and_speed(project: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("features")
    start = time.perf_counter()
    summary = fer_stage(*EXTRACT)
    assert 0 < summary["seconds"] <= time.perf_counter() - start
    assert summary["rows"] == summary["encoded"] == 60
    assert summary["rejected"] == summary["reused"] == 0
    assert summary["complete"] is True
    assert summary["rows_per_s"] == pytest.approx(60 / summary["seconds"], rel=0.02)  # seconds are rounded
    assert "knows nothing" in summary["note"]
    assert cache.open(summary["path"]).key == summary["key"]


def test_a_second_extract_encodes_nothing_and_opens_no_image(project: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("data")
    summary = fer_stage(*EXTRACT)
    assert (summary["encoded"], summary["reused"]) == (0, 60)


def test_a_new_split_or_label_changes_columns_and_encodes_nothing(project: Path, fer_stage: FerStage) -> None:
    before = cache.open("features/untrained/sample-e.zarr")
    features, key = before.select().numpy(), before.key
    shutil.rmtree("data")
    _rewrite("sample-e", split="test", label="fear")
    summary = fer_stage(*EXTRACT)
    after = cache.open("features/untrained/sample-e.zarr")
    assert summary["encoded"] == 0
    assert after.key == key
    assert set(after.frame["split"]) == {"test"}
    assert set(after.labels("test")) == {"fear"}
    assert np.array_equal(after.select().numpy(), features)


@pytest.mark.parametrize("option", [("--dtype", "float16"), ("--outputs", "pooled,pixels")], ids=lambda o: o[0])
def test_what_changes_a_feature_makes_another_store(
    project: Path, fer_stage: FerStage, option: tuple[str, str]
) -> None:
    key = cache.open("features/untrained/sample-e.zarr").key
    summary = fer_stage(*EXTRACT, *option)
    assert summary["encoded"] == 60
    assert summary["key"] != key


@pytest.mark.parametrize("change", ["resize: squash", "normalise: imagenet"])
def test_a_chosen_preparation_reaches_the_encoder(project: Path, fer_stage: FerStage, change: str) -> None:
    """Not only the key: sample-c is not square, so squashing it changes what the encoder sees."""
    command = ("extract", "--dataset", "sample-c", "--decoders", "1", "--batch-size", "4", "--limit", "4")
    before = cache.open(fer_stage(*command, "--format", "json")["path"]).select().numpy()
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("extract: {dtype: float32}", f"extract: {{dtype: float32, {change}}}"))
    after = cache.open(fer_stage(*command, "--format", "json")["path"]).select().numpy()
    assert np.abs(after - before).max() > 0.01


@pytest.mark.parametrize("option", [("--batch-size", "7"), ("--backend", "hdf5")], ids=lambda o: o[0])
def test_what_changes_no_feature_keeps_the_key(project: Path, fer_stage: FerStage, option: tuple[str, str]) -> None:
    key = cache.open("features/untrained/sample-e.zarr").key
    assert fer_stage(*EXTRACT, *option)["key"] == key


def test_both_backends_hold_the_same_numbers(project: Path, fer_stage: FerStage) -> None:
    path = fer_stage(*EXTRACT, "--backend", "hdf5", "--no-reuse")["path"]
    one, other = cache.open("features/untrained/sample-e.zarr"), cache.open(path)
    assert np.array_equal(one.select().numpy(), other.select().numpy())
    assert one.frame.equals(other.frame)


def test_views_are_of_the_train_split_only(project: Path, fer_stage: FerStage) -> None:
    store = cache.open(fer_stage(*EXTRACT, "--views", "2")["path"])
    train = (store.frame["split"] == "train").to_numpy()
    view = store.select(view=1).numpy()
    assert np.isfinite(view[train]).all()
    assert np.isnan(view[~train]).all()
    assert not np.array_equal(view[train], store.select(view=0).numpy()[train])


def test_pixels_are_the_aligned_squares(project: Path, fer_stage: FerStage) -> None:
    store = cache.open(fer_stage(*EXTRACT, "--outputs", "pooled,pixels")["path"])
    pixels = store.select(output="pixels").numpy()
    assert pixels.shape == (60, 64, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 10


def test_limit_makes_a_store_of_its_own(project: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*EXTRACT, "--limit", "7")
    assert summary["rows"] == 7
    assert Path(summary["path"]).name == "sample-e.first-7.zarr"
    assert len(cache.open("features/untrained/sample-e.zarr")) == 60


def test_dry_run_writes_nothing(project: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("features")
    summary = fer_stage(*EXTRACT, "--dry-run")
    assert (summary["encoded"], summary["complete"]) == (60, False)
    assert not Path("features").exists()


def test_bad_images_keep_their_rows_and_too_many_end_with_code_3(project: Path, fer_stage: FerStage) -> None:
    table = SampleTable.read(Path("tables/sample-e.parquet"))
    image = Path("data/sample-e", table.frame["path"][5])
    image.write_bytes(b"no picture")
    shutil.rmtree("features")
    message = fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", code=1)
    assert "Index the dataset again. Run `fer-stage index --dataset sample-e` and then try again" in message
    assert "`fer-stage index --dataset sample-e`" in fer_stage("align", "--dataset", "sample-e", code=1)
    fer_stage("index", "--dataset", "sample-e")
    message = fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", code=3)
    assert "1 of 60" in message
    for dry in ((), ("--dry-run",)):
        counts = fer_stage(*EXTRACT, "--max-rejected", "1", *dry)
        assert (counts["encoded"], counts["reused"], counts["rejected"]) == (0, 59, 1)
    store = cache.open("features/untrained/sample-e.zarr")
    assert store.frame["status"].tolist().count("rejected") == 1
    assert store.frame["id"].tolist() == table.frame["id"].tolist()
    assert np.isnan(store.select("status == 'rejected'").numpy()).all()
    split = table.frame["split"][5]
    assert store.rejected(split) == 1
    assert len(store.features(split)) == (table.frame["split"] == split).sum() - 1
    assert fer_stage(*EXTRACT, "--max-rejected", "0.1")["encoded"] == 0


def _write_broken(n: int, good: int = 0) -> None:
    folder = Path("pictures/anger")
    folder.mkdir(parents=True)
    for i in range(n):
        (folder / f"{i:03d}.png").write_bytes(b"no picture %d" % i)
    for i in range(n, n + good):
        Image.new("RGB", (40, 40), (i, 99, 7)).save(folder / f"{i:03d}.png")


BROKEN = ("extract", "--dataset", "p", "--encoder", "untrained", "--decoders", "1", "--format", "json")


def test_images_that_all_fail_for_one_reason_are_not_tried_to_the_last(empty: Path, fer_stage: FerStage) -> None:
    _write_broken(100)
    message = fer_stage(*BROKEN, "--layout", "folder", "--root", "pictures", code=1)
    assert "the first 64 are all rejected for one reason (anger/000.png: not an image)" in message
    assert "--max-rejected 1" in message
    fer_stage(*BROKEN, "--max-rejected", "1")
    assert set(cache.open("features/untrained/p.zarr").frame["reason"]) == {"not an image"}


def test_bad_images_before_good_ones_are_kept_on_demand_and_when_resuming(empty: Path, fer_stage: FerStage) -> None:
    _write_broken(70, good=10)
    where = ("--layout", "folder", "--root", "pictures")
    assert "the first 64" in fer_stage(*BROKEN, *where, code=1)
    assert not Path("features/untrained/p.zarr/manifest.json").exists()
    fer_stage(*BROKEN, "--max-rejected", "1")
    store = cache.open("features/untrained/p.zarr")
    assert store.frame["status"].tolist() == ["rejected"] * 70 + ["ok"] * 10
    assert "70 of 80" in fer_stage(*BROKEN, code=3)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--encoder", "clip"], ["open_clip:ARCH/TAG", "untrained"]),
        (["--encoder", "open_clip:ViT-B-32/openai"], ["QuickGELU", "ViT-B-32-quickgelu"]),
        (["--encoder", "timm:tf_efficientnet_lite0@nowhere.safetensors"], ["nowhere.safetensors"]),
        (["--outputs", "pooled,block-99"], ["block-99", "tokens", "pixels"]),
    ],
)
def test_refusals_come_before_any_image_is_read(
    project: Path, fer_stage: FerStage, args: list[str], words: list[str]
) -> None:
    shutil.rmtree("data")
    message = fer_stage("extract", "--dataset", "sample-e", *args, code=1)
    assert all(word in message for word in words), message


def test_a_table_without_usable_rows_is_refused(empty: Path) -> None:
    with pytest.raises(Exception, match="no images"):
        SampleTable.from_samples([], TableInfo("x", "folder", "r", ("fear",)))
