"""fer-stage index: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import affectnet, fer2013, pack, picture, raf, wild

import cache
from pipeline.images.transform import OUTSIDE_IMAGE
from pipeline.tables.samples import SampleTable
from stages.cli import run

FerStage = Callable[..., Any]
ONE_PIXEL = "less than 2 x 2 pixels of the box lie inside the image"


def test_json_counts_usable_rejected_and_excluded(empty: Path, fer_stage: FerStage) -> None:
    tree = fer2013.ferplus()
    root = pack(tree.files, empty, "tar.gz")
    result = fer_stage("index", "--dataset", "ferplus", "--root", str(root), "--format", "json")
    assert {"dataset", "rows", "splits", "labels", "rejected", "excluded", "path"} <= result.keys()
    assert sum(result["splits"].values()) == len(tree.samples) - len(tree.rejected)
    assert sum(result["rejected"].values()) == len(tree.rejected)
    assert result["excluded"] == tree.excluded
    assert len(SampleTable.read(Path(result["path"]))) == result["rows"]


@pytest.mark.parametrize(
    ("tree", "outside"),
    [
        (affectnet.affectnet_lists(), {"1/aa.jpg": OUTSIDE_IMAGE, "1001/gg.tif": ONE_PIXEL}),  # pictures of 6 x 6
        (affectnet.affectnet_npy(), {}),
        (affectnet.affectnet_folders(), {}),
    ],
    ids=["lists", "npy", "folders"],
)
def test_index_and_extract_know_every_release_of_affectnet(
    tree: Any, outside: dict[str, str], empty: Path, fer_stage: FerStage
) -> None:
    """The user's own example, `fer-stage extract --dataset affectnet`, with the root in its default place."""
    pack(tree.files, empty, "folder").rename(empty / "affectnet-root")
    (empty / "data").mkdir()
    (empty / "affectnet-root").rename(empty / "data" / "affectnet")
    indexed = fer_stage("index", "--dataset", "affectnet", "--format", "json")
    assert indexed["release"] == tree.release
    args = ("--decoders", "1", "--batch-size", "4", "--max-rejected", "1")
    extracted = fer_stage("extract", "--dataset", "affectnet", *args, "--format", "json")
    assert extracted["complete"]
    assert extracted["rows"] == indexed["rows"] == len(tree.samples)
    frame = cache.open(extracted["path"]).frame.set_index("id")
    reasons = outside | dict(tree.rejected)
    assert frame["reason"][frame["status"] == "rejected"].to_dict() == reasons
    assert (extracted["encoded"], extracted["rejected"]) == (len(tree.samples) - len(reasons), len(reasons))


def test_extract_indexes_a_dataset_that_never_was(empty: Path, fer_stage: FerStage) -> None:
    root = pack(raf.raf_official().files, empty, "zip")
    args = ("--root", str(root), "--decoders", "1", "--batch-size", "4", "--max-rejected", "1")
    result = fer_stage("extract", "--dataset", "raf-db", *args, "--format", "json")
    assert result["complete"]
    assert Path("tables/raf-db.parquet").exists()


def test_an_archive_that_is_no_sample_is_refused_with_what_to_do(empty: Path, fer_stage: FerStage) -> None:
    root = pack(wild.muxspace().files, empty, "tar.gz")
    message = fer_stage("index", "--dataset", "mine", "--layout", "sample", "--root", str(root), code=1)
    assert f"{root}: expected a finished sample" in message
    assert "no sample.json. Draw it again" in message


def test_a_sample_in_an_archive_is_indexed_and_extracted(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("draw", "--style", "sample-b", "--images", "60")
    with tarfile.open("b.tar.gz", "w:gz") as archive:
        archive.add("data/sample-b", "b")
    shutil.rmtree("data")
    Path("params.yaml").write_text("sample: {images: 60}\n")
    stated = ("--root", "b.tar.gz", "--layout", "sample", "--format", "json")
    for dataset in ("sample-b", "mine"):
        assert fer_stage("index", "--dataset", dataset, *stated)["rows"] == 60
    extract = ("extract", "--dataset", "sample-b", "--outputs", "pooled, pixels", "--decoders", "1", "--format", "json")
    assert fer_stage(*extract)["encoded"] == 60


def test_dry_run_writes_nothing(empty: Path, fer_stage: FerStage) -> None:
    root = pack(wild.muxspace().files, empty, "folder")
    fer_stage("index", "--dataset", "muxspace", "--root", str(root), "--dry-run")
    assert not Path("tables").exists()


def test_layout_options_are_given_by_name(empty: Path, fer_stage: FerStage) -> None:
    root = pack(fer2013.ferplus().files, empty, "folder")
    args = ("index", "--dataset", "ferplus", "--root", str(root), "--format", "json")
    with_contempt = fer_stage(*args, "--option", "classes=8")
    assert "contempt" in with_contempt["labels"]
    assert "rul" in fer_stage(*args, "--option", "rul=argmax", code=1)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--dataset", "ferplus"], ["data/ferplus", "fer2013new.csv"]),
        (["--dataset", "faces"], ["--layout"]),
        (["--dataset", "faces", "--layout", "folders"], ["'folder'"]),
    ],
)
def test_refusals_say_what_to_do(empty: Path, fer_stage: FerStage, args: list[str], words: list[str]) -> None:
    message = fer_stage("index", *args, code=1)
    assert all(word in message for word in words), message


def test_an_empty_folder_is_no_dataset(empty: Path, fer_stage: FerStage) -> None:
    (empty / "nothing").mkdir()
    message = fer_stage("index", "--dataset", "folder", "--root", "nothing", code=1)
    assert "nothing" in message


def test_the_sample_is_drawn_where_it_is_missing(empty: Path, fer_stage: FerStage) -> None:
    (empty / "params.yaml").write_text("sample: {version: 1, images: 60, seed: 3}")
    result = fer_stage("index", "--dataset", "sample-e", "--format", "json")
    assert result["rows"] == 60
    assert "seed 3" in result["release"]


def test_what_crosses_or_is_not_read_is_in_the_json_and_on_stderr(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "path,label,usage,user.id\na.png,fear,train,7\nb.png,fear,test,8\nc.png,anger,test,9\n"
    files = {"a.png": picture(1), "b.png": picture(1), "c.png": picture(2)}
    files |= {"labels.csv": rows.encode(), "more/d.png": picture(3)}
    root = pack(files, empty, "zip")
    assert run(["index", "--dataset", "my", "--layout", "csv", "--root", str(root), "--format", "json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["crossing"] == {"bytes": {"test in train": 1}}
    assert result["unread_columns"] == ["user.id"]
    assert result["unread_images"] == {"more/": 1}
    for words in (
        "identical images",
        "1 of 2 test rows are also in train",
        "'user.id' (looks like a subject)",
        "more/ 1",
    ):
        assert words in printed.err
    table = SampleTable.read(Path(result["path"]))
    assert table.crossing() == result["crossing"]
    assert list(table.info.unread_columns) == result["unread_columns"]
