"""Soft labels from a dataset's files to a head: table, store, query, training, and the identity of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import cache
from cache.errors import QueryError
from pipeline.tables.samples import SampleTable

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/soft/seed-0")
SHARES = {"train": ("0.75 0 0 0.25 0 0", "0 0 0 0.25 0.75 0"), "test": ("1 0 0 0 0 0",)}
PARAMS: dict[str, Any] = {
    "datasets": {
        "soft": {
            "layout": "raf-ml",
            "root": "soft",
            "options": {"columns": "surprise,fear,disgust,happiness,sadness,anger", "val_fraction": 0.3},
        }
    },
    "encoders": {"untrained": "untrained"},
    "extract": {"dtype": "float32"},
    "methods": {"feature-mask": {"epochs": 2}},
    "run": {"samples": [], "datasets": ["soft"], "encoders": ["untrained"], "methods": ["feature-mask"]},
}


def _write(shares: dict[str, tuple[str, ...]]) -> None:
    rng = np.random.default_rng(3)
    lines: dict[str, list[str]] = {"distribution": [], "partition_label": []}
    for split, rows in shares.items():
        for i in range(12):
            name = f"{split}_{i:04d}"
            path = Path("soft/Image/aligned", f"{name}_aligned.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(path)
            lines["distribution"].append(f"{name}.jpg {rows[i % len(rows)]}\n")
            lines["partition_label"].append(f"{name}.jpg {int(split == 'test')}\n")
    for name, texts in lines.items():
        Path("soft/EmoLabel").mkdir(exist_ok=True)
        Path("soft/EmoLabel", f"{name}.txt").write_text("".join(texts))


@pytest.fixture
def soft(empty: Path, fer_stage: FerStage) -> Path:
    _write(SHARES)
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
    fer_stage("index", "--dataset", "soft", "--quiet")
    fer_stage("extract", "--dataset", "soft", "--decoders", "1", "--quiet")
    return empty


def _train(fer_stage: FerStage, *options: str, **kwargs: Any) -> Any:
    return fer_stage("train", "--method", "feature-mask", "--dataset", "soft", *options, **kwargs)


def test_soft_labels_are_carried_into_the_store_and_can_be_queried(soft: Path, fer_stage: FerStage) -> None:
    table = SampleTable.read(Path("tables/soft.parquet")).frame.set_index("id")
    assert table.loc["train_0000", "distribution"] == (0.75, 0, 0, 0.25, 0, 0, 0)
    rows = fer_stage(
        "query", "features/untrained/soft.zarr", "--where", "id == 'train_0001'", "--columns", "label,distribution",
        "--format", "json",
    )  # fmt: skip
    assert rows == [{"label": "sadness", "distribution": "0.0,0.0,0.0,0.25,0.75,0.0,0.0"}]
    store = cache.open("features/untrained/soft.zarr")
    test = store.distributions("test")
    assert (test.shape, test.dtype, test[0].tolist()) == ((12, 7), np.float64, [1.0, 0, 0, 0, 0, 0, 0])


def test_a_head_learns_them_on_request_and_the_run_is_another_one(soft: Path, fer_stage: FerStage) -> None:
    _train(fer_stage)
    hard, weights = json.loads((RUN / "run.json").read_text()), (RUN / "head.safetensors").read_bytes()
    assert "targets" not in hard["config"]
    _train(fer_stage, "--option", "targets=distribution")
    learnt = json.loads((RUN / "run.json").read_text())
    assert learnt["config"] == {**hard["config"], "targets": "distribution"}
    assert learnt["run_key"] != hard["run_key"]
    assert (RUN / "head.safetensors").read_bytes() != weights
    scores = fer_stage("evaluate", "--run", str(RUN), "--dataset", "soft", "--format", "json")
    assert scores[0]["n"] == 12
    _train(fer_stage, "--option", "targets=labels")  # as written or as the default
    assert (RUN / "head.safetensors").read_bytes() == weights
    assert json.loads((RUN / "run.json").read_text())["run_key"] == hard["run_key"]


def test_other_shares_of_the_same_labels_are_another_run(soft: Path, fer_stage: FerStage) -> None:
    """The labels, and so the digest of the rows, stay: surprise and sadness are the largest shares as before."""
    _train(fer_stage, "--option", "targets=distribution")
    before = json.loads((RUN / "run.json").read_text())
    _train(fer_stage)
    hard = json.loads((RUN / "run.json").read_text())
    _write(SHARES | {"train": ("0.5 0.25 0 0.25 0 0", SHARES["train"][1])})
    fer_stage("index", "--dataset", "soft", "--quiet")
    fer_stage("extract", "--dataset", "soft", "--decoders", "1", "--quiet")
    _train(fer_stage)
    assert json.loads((RUN / "run.json").read_text())["run_key"] == hard["run_key"]  # labels alone: the same head
    _train(fer_stage, "--option", "targets=distribution")
    after = json.loads((RUN / "run.json").read_text())
    assert after["rows"] == before["rows"]
    assert after["run_key"] != before["run_key"]


def test_a_dataset_without_soft_labels_is_refused_before_anything_is_trained(
    project: Path, fer_stage: FerStage
) -> None:
    message = fer_stage(
        *("train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "targets=distribution"), code=1
    )
    assert "found a dataset of labels alone" in message
    assert "rule=probability" in message
    with pytest.raises(QueryError, match="no column distribution"):
        cache.open("features/untrained/sample-a.zarr").distributions("train")


def test_methods_that_cannot_learn_them_do_not_have_the_option(soft: Path, fer_stage: FerStage) -> None:
    for method in ("linear-probe", "scn", "coop"):
        message = fer_stage(
            *("train", "--method", method, "--dataset", "soft", "--option", "targets=distribution"), code=1
        )
        assert "targets" in message
