"""A parquet copy of the real pictures of FERPlus, as people upload it, is the dataset itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from real_files import pack_path
from shards import CSV_ORDER, IMAGE, class_label, image_column, parquet, rows_table

from pipeline.datasets.roots import open_root
from pipeline.tables.labels import canonical
from pipeline.tables.samples import SampleTable

pytestmark = pytest.mark.real_data

N_ENCODED = 200
SPLITS = {"test": ("test", 1), "train": ("train", 3), "val": ("validation", 1)}  # -> word, shards
EXTRACT = ("extract", "--encoder", "untrained", "--decoders", "1", "--limit", str(N_ENCODED), "--format", "json")


def usable(dataset: str) -> pd.DataFrame:
    return SampleTable.read(Path(f"tables/{dataset}.parquet")).usable


def write_copy(rows: pd.DataFrame, pack: Path) -> None:
    """`copy/data/train-00000-of-00003.parquet` and the like, from the usable rows of the pack's table."""
    names = [canonical(name) for name in CSV_ORDER]
    features = {"image": IMAGE, "label": class_label(CSV_ORDER)}
    Path("copy/data").mkdir(parents=True)
    with open_root(pack) as root:
        for split, (word, n_shards) in SPLITS.items():
            paths, labels = (rows.loc[rows["split"] == split, name].tolist() for name in ("path", "label"))
            images = image_column([root.read(path) for path in paths], [path.rpartition("/")[2] for path in paths])
            table = rows_table({"image": images, "label": [names.index(label) for label in labels]}, features)
            size = -(-len(paths) // n_shards)
            for i in range(n_shards):
                file = Path(f"copy/data/{word}-{i:05d}-of-{n_shards:05d}.parquet")
                file.write_bytes(parquet(table.slice(i * size, size)))


def test_its_rows_are_those_of_the_pack_and_reuse_their_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fer_stage: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    pack = pack_path("fer2013.tar.gz")
    fer_stage("index", "--dataset", "ferplus", "--layout", "ferplus", "--root", str(pack))
    expected = usable("ferplus")
    write_copy(expected, pack)
    fer_stage("index", "--dataset", "copy", "--layout", "hf", "--root", "copy")
    columns = ["split", "label", "sha256"]
    assert usable("copy")[columns].to_numpy().tolist() == expected[columns].to_numpy().tolist()
    assert fer_stage(*EXTRACT, "--dataset", "ferplus", "--dry-run")["reused"] == 0
    fer_stage(*EXTRACT, "--dataset", "ferplus")
    summary = fer_stage(*EXTRACT, "--dataset", "copy")
    assert (summary["encoded"], summary["reused"]) == (0, N_ENCODED)
