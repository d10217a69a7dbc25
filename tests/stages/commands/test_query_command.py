"""`fer-stage query`: conditions, nearest rows by id, image and text, exports; and the store as a torch Dataset."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import stages
from cache import ExportForm
from cache.keys import StoreKey
from cache.schema import ArraySpec, Schema
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.writing.writer import StoreWriter
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.features import FeatureDataset
from stages.cli import run
from stages.errors import ParamsError, StageError
from stages.workflows.neighbors import search_vector

FerStage = Callable[..., Any]
N, REJECTED = 13, 4
LABELS = ("fear", "anger")
STORE = "features/untrained/faces.zarr"


@pytest.fixture(scope="module")
def pictures(encoder: TorchEncoder) -> npt.NDArray[np.uint8]:
    """Pictures of the encoder's own size: nothing is lost when they are prepared."""
    size = encoder.preprocess.size
    return np.random.default_rng(0).integers(0, 256, (N, size, size, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder: TorchEncoder, pictures: npt.NDArray[np.uint8]) -> Path:
    """Images with ids that are their paths, and two stores of them: one by `untrained`, one by other weights."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "images").mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "images" / f"{i}.png")
    features = encoder.encode_images(pictures)["pooled"]
    features[REJECTED] = np.nan
    identity = dict(encoder.identity)
    _write(folder / STORE, features, identity, encoder, "untrained")
    _write(folder / "features/untrained/other.zarr", features, identity | {"weights": "0" * 64}, encoder, "untrained")
    _write(folder / "features/gone/faces.zarr", features, identity, encoder, "gone")
    return folder


def _write(
    path: Path, features: npt.NDArray[np.float32], identity: dict[str, Any], encoder: TorchEncoder, name: str
) -> None:
    preprocess = {"decoder": "pillow", **encoder.preprocess.as_json()}
    key = StoreKey("samples", identity, preprocess, ("pooled",), {"count": 1}, "float32", "float32")
    schema = Schema(N, 1, (ArraySpec("pooled", features.shape[1:], "float32"),), 5)
    writer = StoreWriter(path, key, schema)
    for shard in writer.pending:
        writer.put(shard, {"pooled": features[None, schema.rows(shard)]}, {})
    text = {
        "id": [f"images/{i}.png" for i in range(N)],
        "label": [LABELS[i % 2] for i in range(N)],
        "split": ["train" if i < 9 else "test" for i in range(N)],
        "status": ["rejected" if i == REJECTED else "ok" for i in range(N)],
        "reason": ["not an image" if i == REJECTED else "" for i in range(N)],
    }
    columns = {name: np.array(values, dtype=object) for name, values in text.items()}
    writer.finish(columns, {"name": "faces", "classes": list(LABELS)}, {"encoder": name, "encoder_note": ""})


@pytest.fixture
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(folder)
    return open_store(Path(STORE))


def _cosines(store: Store, vector: npt.NDArray[Any], without: tuple[int, ...]) -> list[tuple[str, float]]:
    """(id, cosine) of all usable rows, the nearest first."""
    features = store.select().numpy().astype(np.float64)
    scores = features @ vector / np.linalg.norm(features, axis=1) / np.linalg.norm(vector)
    order = sorted((row for row in range(N) if row not in (REJECTED, *without)), key=lambda row: -scores[row])
    return [(f"images/{row}.png", float(scores[row])) for row in order]


def _answer(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(row["id"], pytest.approx(row["score"], abs=1e-5)) for row in rows]


def test_the_rows_nearest_to_an_id_are_other_rows(asked: Store, fer_stage: FerStage) -> None:
    """The id is a file too; what is in the store counts."""
    rows = fer_stage("query", STORE, "--near", "images/3.png", "--format", "json")
    assert _answer(rows) == _cosines(asked, asked.read(np.array([3]))[0], (3,))[:10]
    assert list(rows[0]) == ["id", "label", "split", "status", "reason", "score"]
    few = fer_stage("query", STORE, "--near", "images/3.png", "--k", "4", "--limit", "2", "--format", "json")
    assert few == rows[:2]


def test_a_condition_and_a_metric_hold_for_neighbours(asked: Store, fer_stage: FerStage) -> None:
    args = ("--where", "split == 'test'", "--metric", "dot", "--columns", "id", "--format", "json")
    rows = fer_stage("query", STORE, "--near", "images/3.png", *args)
    features = asked.select().numpy()
    dots = {f"images/{row}.png": float(features[row] @ features[3]) for row in range(9, N)}
    assert {row["id"]: pytest.approx(row["score"], rel=1e-5) for row in rows} == dots
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_the_row_nearest_to_an_image_is_the_image(
    asked: Store, fer_stage: FerStage, tmp_path: Path, pictures: npt.NDArray[np.uint8]
) -> None:
    Image.fromarray(pictures[7]).save(tmp_path / "unknown.png")
    rows = fer_stage("query", STORE, "--near", str(tmp_path / "unknown.png"), "--format", "json")
    assert _answer(rows) == _cosines(asked, asked.read(np.array([7]))[0], ())[:10]
    assert rows[0]["id"] == "images/7.png"
    assert rows[0]["score"] == pytest.approx(1, abs=1e-5)


def test_a_text_is_compared_as_the_text_tower_sees_it(
    asked: Store, capsys: pytest.CaptureFixture[str], encoder: TorchEncoder
) -> None:
    assert run(["query", STORE, "--near", "a photo of fear", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert _answer(json.loads(out)) == _cosines(asked, encoder.encode_text(["a photo of fear"])[0], ())[:10]
    assert "'a photo of fear' is no id of features/untrained/faces.zarr and no file: it is taken as a text" in err


def test_what_cannot_be_near_is_answered(asked: Store, fer_stage: FerStage, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    message = fer_stage("query", STORE, "--near", str(tmp_path / "notes.txt"), code=1)
    assert "not an image. Expected an id, an image file or a text" in message
    message = fer_stage("query", STORE, "--near", f"images/{REJECTED}.png", code=1)
    assert "row 4 of features/untrained/faces.zarr has no feature (not an image)" in message
    assert "name what to search for with --near" in fer_stage("query", STORE, "--k", "3", code=2)
    assert "has the outputs pooled, not 'tokens'" in fer_stage("query", STORE, "--feature", "tokens", code=1)


def test_a_file_name_that_does_not_exist_is_no_text(asked: Store, fer_stage: FerStage) -> None:
    message = fer_stage("query", STORE, "--near", "misspelt/face.JPG", code=1)
    assert "'misspelt/face.JPG' is no id of features/untrained/faces.zarr and no file" in message
    assert "not taken as a text" in message


def test_without_a_text_tower_all_three_are_named(asked: Store, encoder: TorchEncoder) -> None:
    blind = TorchEncoder(encoder.identity, encoder.preprocess, encoder.tower, encoder.torch_device)
    with pytest.raises(StageError, match=r"is no id of .* and no file, and open_clip:untrained has no text tower"):
        search_vector("images/77", asked, "pooled", 0, lambda: blind)


def test_another_encoder_of_the_same_name_is_refused(asked: Store, fer_stage: FerStage) -> None:
    message = fer_stage("query", "features/untrained/other.zarr", "--near", "a face", code=1)
    assert "untrained is not the encoder of features/untrained/other.zarr: weights" in message
    assert "was written untrained, with the weights that it had" in message  # as --encoder takes it


def test_an_encoder_without_a_name_here_has_to_be_named(asked: Store, fer_stage: FerStage) -> None:
    args = ("query", "features/gone/faces.zarr", "--near", "a face")
    assert "name it with --encoder" in fer_stage(*args, code=1)
    assert len(fer_stage(*args, "--encoder", "untrained", "--format", "json")) == 10


@pytest.mark.parametrize("command", [("query", STORE), ("store", "export", STORE)])
def test_what_becomes_of_rows_without_a_feature_is_chosen_and_counted(
    asked: Store, fer_stage: FerStage, tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    args = (*command, "--output", str(tmp_path / "out.parquet"), "--format", "json")
    kept = fer_stage(*args)
    assert (kept["rows"], kept["rows_without_feature"]) == (N, 1)
    assert pd.read_parquet(tmp_path / "out.parquet")["pooled"].isna().sum() == 1
    dropped = fer_stage(*args, "--rejected", "drop", "--dtype", "float32", "--list")
    assert (dropped["rows"], dropped["rows_without_feature"]) == (N - 1, 1)
    frame = pd.read_parquet(tmp_path / "out.parquet")
    assert (len(frame), frame["pooled"].isna().sum(), frame["pooled"][0].dtype) == (N - 1, 0, np.float32)
    assert run([*args]) == 0
    assert "1 of 13 rows have no feature: they are kept, as null; --rejected drop leaves" in capsys.readouterr().err


def test_a_row_without_a_frame_shows_none_and_meets_no_comparison(tmp_path: Path, fer_stage: FerStage) -> None:
    path = str(Example().write(tmp_path / "mini" / "x.zarr").path)
    args = ("query", path, "--columns", "frame", "--format", "json")
    assert [row["frame"] for row in fer_stage(*args)] == [None, *range(9)]
    assert [row["frame"] for row in fer_stage(*args, "--where", "frame < 3")] == [0, 1, 2]
    assert [row["frame"] for row in fer_stage(*args, "--where", "frame is null")] == [None]
    assert "rows without one are those with `frame is null`" in fer_stage(*args, "--where", "frame == -1", code=1)


def test_how_to_export_is_refused_without_a_file(asked: Store, fer_stage: FerStage) -> None:
    for words in (("--rejected", "drop"), ("--dtype", "float32"), ("--list",)):
        assert "name a file with --output" in fer_stage("query", STORE, *words, code=2)


def test_rows_and_scores_can_be_exported(asked: Store, fer_stage: FerStage, tmp_path: Path) -> None:
    target = str(tmp_path / "near.parquet")
    args = ("query", STORE, "--near", "images/3.png", "--k", "4", "--columns", "id,label", "--format", "json")
    shown = {row["id"]: row["score"] for row in fer_stage(*args)}
    record = fer_stage(*args, "--output", target)
    about = {"rows_without_feature": 0, "feature": "pooled", "view": 0, "key": asked.key}
    assert record == {"path": target, "rows": 4, "files": [target], **about}
    found = pd.read_parquet(target)
    assert list(found) == ["id", "label", "score", "pooled"]
    assert dict(zip(found["id"], found["score"], strict=True)) == pytest.approx(shown)
    for name, feature in zip(found["id"], found["pooled"], strict=True):
        row = asked.frame.index[asked.frame["id"] == name].to_numpy()
        assert feature.tolist() == asked.read(row)[0].tolist()
    assert "expected a name that ends with" in fer_stage("query", STORE, "--output", "x.csv", code=1)


def test_no_match_names_the_value_that_no_row_has(asked: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", STORE, "--where", "label == 'feer' and split == 'test'"]) == 0
    assert "no row has label == 'feer'; did you mean 'fear'?" in capsys.readouterr().err
    assert run(["query", STORE, "--where", "label == 'fear' and split == 'val'"]) == 0
    err = capsys.readouterr().err
    assert "no row has split == 'val'" in err
    assert "label" not in err


def test_rows_are_found_without_torch(asked: Store) -> None:
    code = (
        "import sys; from stages.cli import run; "
        f"assert run(['query', '{STORE}', '--near', 'images/3.png', '--where', \"label == 'fear'\"]) == 0; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


# Python 3.12 warns of every fork beside a thread; that it works is what the test is about.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_a_store_feeds_workers(asked: Store, start: str) -> None:
    dataset = FeatureDataset(asked, "train")
    expected = asked.features("train").astype(np.float32)
    assert dataset[0][0].numpy().tolist() == expected[0].tolist()  # the parent has read already when it forks
    found = list(DataLoader(dataset, batch_size=3, num_workers=1, multiprocessing_context=start))
    assert torch.cat([features for features, _ in found]).numpy().tolist() == expected.tolist()
    assert torch.cat([labels for _, labels in found]).tolist() == [row % 2 for row in range(9) if row != REJECTED]


class TestFromPython:
    """`stages.query`: what the command prints, as objects."""

    def test_the_frame_has_the_rows_of_the_command(self, asked: Store, fer_stage: FerStage) -> None:
        where = "split == 'test'"
        printed = fer_stage("query", STORE, "--where", where, "--format", "json")
        result = stages.query(asked, where=where)
        assert result.frame.to_dict("records") == printed
        assert list(result.frame.index) == [9, 10, 11, 12]  # rows of the store
        assert result.scores is None
        assert len(result) == result.n_matching == 4
        assert result.numpy().tolist() == asked.read(np.arange(9, 13)).tolist()
        assert "<table" in result._repr_html_()

    def test_the_nearest_rows_come_first_with_scores_and_features(self, asked: Store, fer_stage: FerStage) -> None:
        printed = fer_stage("query", STORE, "--near", "images/3.png", "--k", "4", "--format", "json")
        result = stages.query(Path(STORE), near="images/3.png", k=4)
        assert list(result.frame["id"]) == [row["id"] for row in printed]
        assert result.frame["score"].tolist() == pytest.approx([row["score"] for row in printed])
        rows = [int(Path(name).stem) for name in result.frame["id"]]
        assert result.numpy().tolist() == [asked.read(np.array([row]))[0].tolist() for row in rows]
        assert any("row 3 is left out" in note for note in result.notes)

    def test_a_result_is_exported_as_the_command_exports_it(
        self, asked: Store, fer_stage: FerStage, tmp_path: Path
    ) -> None:
        args = ("query", STORE, "--near", "images/3.png", "--k", "4", "--output", str(tmp_path / "a.parquet"))
        fer_stage(*args, "--dtype", "float32")
        done = stages.query(STORE, near="images/3.png", k=4).export(tmp_path / "b.parquet", ExportForm(dtype="float32"))
        assert (done.n_rows, done.n_without_feature, done.note) == (4, 0, "")
        assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()

    def test_options_that_do_not_go_together_are_refused(self, asked: Store) -> None:
        with pytest.raises(ParamsError, match="name what to search for with `near`"):
            stages.query(STORE, k=3)
        with pytest.raises(ParamsError, match="name a file with `output`"):
            stages.query(STORE, plain_list=True)

    def test_a_remedy_is_a_call(self, asked: Store) -> None:
        with pytest.raises(StageError, match="not taken as a text") as refused:
            stages.query(STORE, near="misspelt.png")
        assert refused.value.__notes__ == [f"Run stages.query(store='{STORE}', columns=('id',)) to see the ids"]
