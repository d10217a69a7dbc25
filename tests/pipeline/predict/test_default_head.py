"""The head that the package carries: it works without any training, and on real people that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
from faces_to_find import people
from heads_on_disk import CLASSES
from real_files import pack_path

from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root
from pipeline.predict import Predictor

N = 60


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(device="cpu")


def test_a_picture_is_all_that_is_needed(predictor: Predictor) -> None:
    found = predictor.predict(people(3))
    assert [one.status for one in found] == ["face"] * 3
    assert predictor.classes == CLASSES


def test_the_encoder_says_what_it_is(predictor: Predictor) -> None:
    assert "stand-in" in predictor.note


@pytest.mark.real_data
def test_smiles_of_people_that_nobody_trained_on_are_told_from_calm_faces(predictor: Predictor, tmp_path: Path) -> None:
    """Of the validation people of muxspace: half of N smile, half do not; guessing gets half of them."""
    pack = pack_path("muxspace.tar.gz")
    frame = index_dataset("muxspace", "muxspace", pack, {}).frame
    val = frame[(frame["split"] == "val") & (frame["status"] == "ok")]
    chosen = {label: val[val["label"] == label]["path"][: N // 2] for label in ("happiness", "neutral")}
    with open_root(pack) as root:
        for label, paths in chosen.items():
            for i, path in enumerate(paths):
                (tmp_path / f"{label}-{i}.jpg").write_bytes(root.read(path))
    largest = {one.image: one for one in reversed(predictor.predict(tmp_path))}
    right = [one for name, one in largest.items() if one.expression == Path(name).stem.split("-")[0]]
    assert len(largest) == N
    assert len(right) >= 0.6 * N
