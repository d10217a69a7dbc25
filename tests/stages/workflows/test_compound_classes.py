"""Heads of classes beyond the eight expressions: the same commands, and no mixing with other classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from faces_to_find import people
from PIL import Image

from cache.texts import TextStore
from pipeline.predict.annotate import annotated
from pipeline.predict.prediction import Prediction
from pipeline.tables.labels import CLASS_SETS, EXPRESSIONS, LABELS
from pipeline.tables.samples import SampleTable

FerStage = Callable[..., Any]
COMPOUND = CLASS_SETS["raf-compound"]
FOLDERS = {"HappilySurprised": 0, "happily_disgusted": 1, "Disgustedly Surprised": 10}
PARAMS: dict[str, Any] = {
    "classes": "raf-compound",
    "datasets": {
        "compound": {"layout": "folder", "root": "compound", "options": {"classes": "raf-compound"}},
        "basic": {"layout": "folder", "root": "basic", "options": {"classes": 7}},
    },
    "encoders": {"untrained": "untrained"},
    "extract": {"dtype": "float32"},
    "methods": {"feature-mask": {"epochs": 2}},
    "run": {"samples": [], "datasets": ["compound"], "encoders": ["untrained"], "methods": ["feature-mask"]},
}


def _set(**blocks: Any) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | blocks))


def _pictures(root: str, folders: dict[str, int]) -> None:
    rng = np.random.default_rng(3)
    for split in ("train", "val", "test"):
        for folder, shade in folders.items():
            for i in range(3):
                path = Path(root, split, folder, f"{i}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(20 * shade, 20 * shade + 30, (40, 40, 3), np.uint8)).save(path)


@pytest.fixture
def compound(empty: Path, fer_stage: FerStage) -> Path:
    """A dataset of three compound labels, with features and text."""
    _pictures("compound", FOLDERS)
    _pictures("basic", {"happy": 0, "surprised": 1, "sad": 10})
    _set()
    for name in ("compound", "basic"):
        fer_stage("index", "--dataset", name, "--quiet")
        fer_stage("extract", "--dataset", name, "--decoders", "1", "--quiet")
    fer_stage("encode-text", "--quiet")
    return empty


def test_compound_heads_are_trained_evaluated_reported_and_predict(compound: Path, fer_stage: FerStage) -> None:
    assert SampleTable.read(Path("tables/compound.parquet")).info.classes == COMPOUND
    texts = TextStore.read(Path("features/untrained/text/kefer.npz"))
    assert texts.classes == COMPOUND
    for method in ("feature-mask", "zero-shot", "linear-probe"):
        fer_stage("train", "--method", method, "--dataset", "compound", "--quiet")
    run = Path("runs/untrained/linear-probe/compound/seed-0")
    record = json.loads((run / "run.json").read_text())
    assert tuple(record["classes"]) == COMPOUND
    assert record["findings"]["no_train_rows"] == [name for i, name in enumerate(COMPOUND) if i not in (0, 1, 10)]
    scores = fer_stage("evaluate", "--run", "runs/untrained", "--dataset", "compound", "--format", "json")
    assert {(score["n"], tuple(score["per_class"])) for score in scores} == {(9, COMPOUND)}
    summary = fer_stage("report", "--format", "json")
    assert "disgustedly surprised" in Path(summary["path"]).read_text()
    people(1).save("one.png")
    rows = fer_stage("predict", "one.png", "--run", str(run), "--format", "json", "--quiet")
    assert set(rows[0]["probabilities"]) == set(COMPOUND)
    found = fer_stage(
        "query", "features/untrained/compound.zarr", "--where", "label == 'happily surprised'", "--format", "json"
    )
    assert len(found) == 9


def test_a_head_of_other_classes_is_refused_and_says_which_head_is_needed(compound: Path, fer_stage: FerStage) -> None:
    message = fer_stage("train", "--method", "linear-probe", "--dataset", "basic", code=1)
    assert "found none of the classes happily surprised" in message
    assert "`classes: 7` in params.yaml, then train" in message
    fer_stage("train", "--method", "linear-probe", "--dataset", "compound", "--quiet")
    run = "runs/untrained/linear-probe/compound/seed-0"
    for drop in (False, True):  # leaving rows out would leave none
        _set(protocol={"drop_other_labels": drop})
        assert "`classes: 7`" in fer_stage("evaluate", "--run", run, "--dataset", "basic", code=1)


def test_a_report_separates_heads_of_basic_and_of_compound_classes(compound: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "linear-probe", "--dataset", "compound", "--quiet")
    _set(classes=7)
    fer_stage("train", "--method", "linear-probe", "--dataset", "basic", "--quiet")
    fer_stage("evaluate", "--run", "runs/untrained/linear-probe/compound/seed-0", "--dataset", "compound")
    fer_stage("evaluate", "--run", "runs/untrained/linear-probe/basic/seed-0", "--dataset", "basic")
    fer_stage("report")
    metrics = json.loads(Path("reports/metrics.json").read_text())["untrained"]
    heads = {name: list(cells) for name, cells in metrics.items() if name != "note"}
    assert sorted(heads.values()) == [["basic"], ["compound"]]  # a name for each set of classes, and no row of both


def test_text_of_other_classes_is_outdated(compound: Path, fer_stage: FerStage) -> None:
    _set(classes=8)
    message = fer_stage("train", "--method", "zero-shot", "--dataset", "basic", code=1)
    assert "classes" in message
    assert "fer-stage encode-text" in message
    fer_stage("encode-text", "--quiet")
    assert TextStore.read(Path("features/untrained/text/kefer.npz")).classes == EXPRESSIONS


def test_a_method_that_needs_neutral_says_so(compound: Path, fer_stage: FerStage) -> None:
    message = fer_stage("train", "--method", "kefer", "--dataset", "compound", code=1)
    assert "expected neutral among the classes" in message


def test_every_label_can_be_drawn_on_a_picture() -> None:
    picture = Image.new("RGB", (200, 200))
    drawn = {
        annotated(
            picture,
            [Prediction("a.png", "face", box=(50, 50, 90, 90), expression=name, probabilities={name: 1.0})],
        ).tobytes()
        for name in LABELS
    }
    assert len(drawn) == len(LABELS)
