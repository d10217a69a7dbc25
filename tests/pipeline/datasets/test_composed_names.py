"""Accented names: one letter or two (NFC, NFD), the same file is meant."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest
from trees import KINDS, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.files import Lookup
from pipeline.errors import DatasetError

NAME = "Zoë_José"
NFC, NFD = normalize("NFC", NAME), normalize("NFD", NAME)
FORMS = [(NFC, NFD), (NFD, NFC), (NFD, NFD)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("listed", "stored"), FORMS)
class TestListsFindFiles:
    def test_csv(self, listed: str, stored: str, kind: str, tmp_path: Path) -> None:
        files = {
            f"{stored}/labels.csv": f"path,label,subject\n{listed}/1.png,fear,{listed}\n".encode(),
            f"{stored}/{stored}/1.png": picture(1),
        }
        frame = index_dataset("d", "csv", pack(files, tmp_path, kind), {}).frame
        assert frame["reason"].tolist() == [""]
        assert frame["id"].tolist() == [f"{NFC}/1.png"]
        assert frame["subject"].tolist() == [NFC]
        assert frame["path"].tolist() == [f"{stored}/{stored}/1.png"]

    def test_muxspace(self, listed: str, stored: str, kind: str, tmp_path: Path) -> None:
        files = {
            "data/legend.csv": f"image,emotion\n{listed}_1.jpg,fear\n".encode(),
            f"images/{stored}_1.jpg": picture(1),
        }
        frame = index_dataset("d", "muxspace", pack(files, tmp_path, kind), {}).frame
        assert frame[["id", "subject", "reason"]].to_numpy().tolist() == [[f"{NFC}_1.jpg", NFC, ""]]


def test_ids_of_class_folders_are_composed(tmp_path: Path) -> None:
    frame = index_dataset("d", "folder", pack({f"fear/{NFD}.png": picture(1)}, tmp_path, "zip"), {}).frame
    assert frame["id"].tolist() == [f"fear/{NFC}.png"]
    assert frame["path"].tolist() == [f"fear/{NFD}.png"]


@pytest.mark.parametrize("kind", KINDS)
def test_two_files_that_differ_only_by_composition_are_refused(kind: str, tmp_path: Path) -> None:
    root = pack({f"fear/{NFC}.png": picture(1), f"fear/{NFD}.png": picture(2)}, tmp_path, kind)
    with (
        open_root(root) as files,
        pytest.raises(DatasetError, match=r"Zoe\\u0308.*Zo\\xeb.*only by Unicode composition"),
    ):
        files.names()


def test_a_lookup_gives_the_real_name_and_forgives_case() -> None:
    assert Lookup([f"a/{NFD}.PNG"], parts=1)(f"{NFC}.png") == f"a/{NFD}.PNG"
