"""A tree of class folders that was read by the wrong codes is found by the predictions of a head from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cache.features_root import find_store
from cache.places import as_path
from pipeline.audit.label_order import LabelOrderFinding
from pipeline.datasets.drawn import draw_face, sample_specs
from pipeline.predict.saved import read_saved
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.workflows.label_order import label_order_of, read_by, zero_shot_order_of
from stages.workflows.text_vectors import text_for

FerStage = Callable[..., Any]
FEATURES = as_path("features")
HEAD = Path("runs/mini/linear-probe/sample-a/seed-0")
N_FACES = 210


def write_affectnet_like(root: Path) -> None:
    """`train/CODE/NNN.png` by AffectNet's codes: drawn faces of another style than the head is trained on."""
    code_of = {label: code for code, label in CODE_MAPS["affectnet"].items()}
    for i, face in enumerate(sample_specs("sample-b", N_FACES, 5)):
        path = root / "train" / str(code_of[face.label]) / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_face(face, "sample-b")).save(path)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a head on sample-a, and one tree that is read by two maps: `right` and `wrong`."""
    folder = tmp_path_factory.mktemp("readings")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_affectnet_like(Path("faces"))
        Path("params.yaml").write_text(
            "sample: {version: 1, images: 300, seed: 0}\n"
            "encoders: {mini: mini}\n"
            "datasets:\n"
            "  sample-a: {layout: sample, root: data/sample-a}\n"
            "  right: {layout: folder, root: faces, options: {codes: affectnet}}\n"
            "  wrong: {layout: folder, root: faces, options: {codes: alphabetical-8}}\n"
        )
        for dataset in ("sample-a", "right", "wrong"):
            assert run(["extract", "--dataset", dataset, "--encoder", "mini", "--quiet"]) == 0
        assert run(["train", "--method", "linear-probe", "--dataset", "sample-a", "--encoder", "mini"]) == 0
        assert run(["encode-text", "--encoder", "mini"]) == 0
    return folder


def by_head(dataset: str) -> LabelOrderFinding:
    table = SampleTable.read(Path(f"tables/{dataset}.parquet"))
    return label_order_of(table, find_store(FEATURES, "mini", dataset), read_saved(HEAD), FEATURES, "cpu")


def by_zero_shot(dataset: str) -> LabelOrderFinding:
    table, store = SampleTable.read(Path(f"tables/{dataset}.parquet")), find_store(FEATURES, "mini", dataset)
    return zero_shot_order_of(table, store, text_for(FEATURES, "mini", "kefer", store))


@pytest.mark.parametrize("finding_of", [by_head, by_zero_shot], ids=["head", "zero-shot"])
def test_a_wrong_map_is_found_and_the_right_one_named(
    readings: Path, monkeypatch: pytest.MonkeyPatch, finding_of: Callable[[str], LabelOrderFinding]
) -> None:
    monkeypatch.chdir(readings)
    right, wrong = finding_of("right"), finding_of("wrong")
    assert not right.is_suspicious
    assert right.n == N_FACES
    assert (wrong.order, wrong.read_by, wrong.is_suspicious) == ("affectnet", "alphabetical-8", True)
    assert wrong.text().startswith("labels fit the order `affectnet` (they were read by `alphabetical-8`): agreement ")
    assert wrong.meaning["anger"] == "neutral"
    assert wrong.uar < 0.3 < 0.5 < (wrong.uar_other or 0)


def test_a_head_of_the_dataset_itself_judges_nothing(readings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has learned the order that it was trained with, right or wrong: also under another name."""
    monkeypatch.chdir(readings)
    assert run(["train", "--method", "linear-probe", "--dataset", "wrong", "--encoder", "mini"]) == 0
    head = read_saved(Path("runs/mini/linear-probe/wrong/seed-0"))
    for dataset, words in (
        ("wrong", "the head was trained on wrong"),
        ("right", "% of the images are images of wrong"),
    ):
        table = SampleTable.read(Path(f"tables/{dataset}.parquet"))
        finding = label_order_of(table, find_store(FEATURES, "mini", dataset), head, FEATURES, "cpu")
        assert words in finding.not_judged
        assert not finding.is_suspicious


def test_labels_are_those_of_the_table_now(readings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The features of a dataset stay those that they are, whatever its labels are read by."""
    monkeypatch.chdir(readings)
    wrong = SampleTable.read(Path("tables/wrong.parquet"))
    finding = label_order_of(wrong, find_store(FEATURES, "mini", "right"), read_saved(HEAD), FEATURES, "cpu")
    assert finding.order == "affectnet"


def test_the_order_that_a_table_was_read_by(readings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(readings)
    assert read_by(SampleTable.read(Path("tables/wrong.parquet")).info) == "alphabetical-8"
    assert read_by(SampleTable.read(Path("tables/sample-a.parquet")).info) is None
