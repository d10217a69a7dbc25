"""The layouts on the two packs of real faces, against published counts."""

from __future__ import annotations

import pickle
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_files import pack_path

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.reading.base import Scan, parse_options
from pipeline.datasets.roots import Root, open_root
from pipeline.images.decode import decode
from pipeline.tables.samples import SampleTable

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def muxspace() -> SampleTable:
    return index_dataset("muxspace", "muxspace", pack_path("muxspace.tar.gz"), {})


@pytest.fixture(scope="module")
def ferplus() -> Iterator[Root]:
    with open_root(pack_path("fer2013.tar.gz")) as root:
        yield root


def scan_ferplus(root: Root, **options: object) -> Scan:
    layout = LAYOUTS["ferplus"]
    return layout.scan(root, parse_options(layout, options))


# Three names of Training are on two equal rows; one of PrivateTest is on a face and on no face. By these rules one of
# the three has no label, and both rows of that name have none, or the same one: no vote for any expression is a tie.
_REPEATS: dict[str, tuple[Counter[str], list[str]]] = {
    "majority-10": (Counter(train=2), []),
    "argmax-8": (Counter(train=3, test=1), []),
}


@pytest.mark.parametrize(
    ("rule", "classes", "published"),
    [
        ("majority", 7, {"train": 24_941, "val": 3_186, "test": 3_137}),
        ("majority", 8, {"train": 25_060, "val": 3_199, "test": 3_153}),
        ("probability", 7, {"train": 27_796, "val": 3_482, "test": 3_480}),
        ("probability", 8, {"train": 27_956, "val": 3_505, "test": 3_505}),
        ("argmax", 7, {"train": 28_224, "val": 3_529, "test": 3_519}),
        ("argmax", 8, {"train": 28_389, "val": 3_553, "test": 3_546}),
        ("argmax-8", 7, {"train": 28_394, "val": 3_554, "test": 3_545}),
        ("argmax-8", 8, {"train": 28_561, "val": 3_579, "test": 3_574}),
        ("majority-10", 7, {"train": 21_733, "val": 2_854, "test": 2_720}),
        ("majority-10", 8, {"train": 21_811, "val": 2_862, "test": 2_729}),
        # Not published: counted in fer2013new.csv by the official rule.
        ("multi_target", 7, {"train": 27_526, "val": 3_454, "test": 3_449}),
        ("multi_target", 8, {"train": 27_671, "val": 3_472, "test": 3_472}),
    ],
)
def test_ferplus_has_the_published_counts(ferplus: Root, rule: str, classes: int, published: dict[str, int]) -> None:
    scan = scan_ferplus(ferplus, rule=rule, classes=classes)
    usable = Counter(sample.split for sample in scan.samples if not sample.reason)
    repeats, conflicts = _REPEATS.get(rule, (Counter(train=3), ["fer0033120"]))
    assert usable == Counter(published) - repeats - Counter(test=len(conflicts))
    assert scan.excluded["repeated row"] == repeats.total()
    assert scan.excluded["no image name"] == 173
    assert [(s.id, s.reason) for s in scan.samples if s.reason] == [(name, "conflicting rows") for name in conflicts]
    assert len(scan.samples) + sum(scan.excluded.values()) == 35_887


def test_ferplus_test_split_has_the_published_classes(ferplus: Root) -> None:
    samples = scan_ferplus(ferplus).samples
    published = {"happiness": 893, "surprise": 396, "sadness": 384, "anger": 273, "disgust": 18, "fear": 83}
    usable = Counter(sample.label for sample in samples if sample.split == "test" and not sample.reason)
    assert usable == published | {"neutral": 1090 - 1}  # the row that contradicts another is a neutral one


def test_votes_joined_to_the_csv_of_fer2013_have_the_published_test_split(ferplus: Root, tmp_path: Path) -> None:
    """The test part of fer2013.csv, made of the pack: every row has its own picture there, so that none conflicts."""
    header, *lines = ferplus.text("fer2013new.csv").splitlines()
    lines = [line for line in lines if line.startswith("PrivateTest")]
    with (tmp_path / "fer2013.csv").open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for name in (line.split(",")[1] for line in lines):
            grey = decode(ferplus.read(f"data/FER2013Test/{name}"))[..., 0] if name else np.zeros((48, 48), np.uint8)
            file.write(f"0,{' '.join(map(str, grey.ravel().tolist()))},PrivateTest\n")
    (tmp_path / "fer2013new.csv").write_text("\n".join([header, *lines]) + "\n")
    table = index_dataset("ferplus", "ferplus", tmp_path, {})
    published = {"happiness": 893, "surprise": 396, "sadness": 384, "anger": 273, "disgust": 18, "fear": 83}
    assert Counter(table.usable["label"]) == published | {"neutral": 1090}
    with open_root(tmp_path) as root:
        row = table.usable.iloc[100]
        assert np.array_equal(decode(root.read(row["path"])), decode(ferplus.read(f"data/FER2013Test/{row['id']}.png")))


def test_ferplus_is_the_same_from_the_pack_and_from_its_folder(tmp_path: Path) -> None:
    pack = pack_path("fer2013.tar.gz")
    # The program, since tarfile's safe extraction came with Python 3.11.4 only.
    subprocess.run(["tar", "-xzf", pack, "-C", tmp_path], check=True)
    packed = index_dataset("ferplus", "ferplus", pack, {})
    assert packed.summary()["splits"] == {"train": 24_938, "val": 3_186, "test": 3_136}
    assert packed.summary()["rejected"] == {"conflicting rows": 1}
    assert packed.summary()["crossing"] == {"bytes": {"val in train": 248, "test in train": 257, "test in val": 41}}
    pd.testing.assert_frame_equal(packed.frame, index_dataset("ferplus", "ferplus", tmp_path, {}).frame)


def test_muxspace_has_its_counts_and_its_people_stay_together(muxspace: SampleTable) -> None:
    assert len(muxspace) == 12_762 - 9
    assert muxspace.info.excluded == {"contempt": 9, "repeated row": 7}
    assert muxspace.summary()["rejected"] == {}
    frame = muxspace.frame
    assert frame["subject"].isna().sum() == 4
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    assert (frame.groupby("sha256")["split"].nunique() == 1).all()
    assert muxspace.summary()["splits"] == {"train": 9_067, "val": 1_223, "test": 2_463}


def test_real_images_decode_through_a_pickled_root(muxspace: SampleTable) -> None:
    with open_root(pack_path("muxspace.tar.gz")) as root, pickle.loads(pickle.dumps(root)) as copy:
        shapes = {decode(copy.read(path)).shape[2:] for path in muxspace.usable["path"].iloc[::50]}
    assert shapes == {(3,)}
