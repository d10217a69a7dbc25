"""Many images, some of them bad; and the table that remembers what was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_people import BLANK, person
from image_files import BAD, encoded, image_rows_of, write_folder
from PIL import Image

from pipeline.datasets.roots import open_root
from pipeline.errors import DatasetError, TableError
from pipeline.faces import Face
from pipeline.faces.detector import load_detector
from pipeline.faces.search import NO_FACE, Detection, search
from pipeline.faces.table import FOUND, MISSED, UNUSABLE, FacesInfo, FaceTable

INFO = FacesInfo("faces", "a" * 64, {"network": "x", "threshold": 0.6})
FACE = Face((1.5, -2.0, 30.25, 40.0), np.arange(10, dtype=np.float32).reshape(5, 2), 0.875)
DETECTIONS = [Detection(FACE, 2), Detection(None, 0, NO_FACE), Detection(None, 0, "file is empty")]


def found(files: Mapping[str, bytes], folder: Path, threads: int = 2) -> list[tuple[int, Detection]]:
    with open_root(write_folder(files, folder / "pictures")) as root:
        batches = list(search(image_rows_of(files), root, load_detector(), threads))
    return [(image.row, detection) for batch in batches for image, detection in batch]


def table() -> FaceTable:
    return FaceTable.of(["a", "b", "c"], ["1", "2", "3 1,2,3,4"], DETECTIONS, INFO)


def test_every_image_has_its_finding_in_order_and_a_bad_one_its_reason(tmp_path: Path) -> None:
    good = {f"{i}.png": encoded(np.asarray(person(i % 3))) for i in range(20)}
    bad = {name: data for name, (data, _) in BAD.items() if name != "hair.png"}  # which can be decoded
    files = {**good, "blank.png": encoded(np.asarray(BLANK)), **bad}
    detections = found(files, tmp_path)
    assert [row for row, _ in detections] == list(range(len(files)))
    reasons = [detection.reason for _, detection in detections]
    assert reasons == [""] * 20 + [NO_FACE] + [reason for name, (_, reason) in BAD.items() if name in bad]
    assert [detection.face is not None for _, detection in detections] == [True] * 20 + [False] * (len(files) - 20)


def test_a_file_that_changed_since_it_was_indexed_is_no_missed_face(tmp_path: Path) -> None:
    images = image_rows_of({"one.png": encoded(np.asarray(BLANK))})
    folder = write_folder({"one.png": encoded(np.asarray(person()))}, tmp_path / "pictures")
    with open_root(folder) as root, pytest.raises(DatasetError, match="not the file that was indexed"):
        list(search(images, root, load_detector(), 1))


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    pq.write_table(table().to_arrow(), tmp_path / "faces.parquet")
    read = FaceTable.read(tmp_path / "faces.parquet")
    assert read.info == INFO
    assert read.frame["status"].tolist() == [FOUND, MISSED, UNUSABLE]
    assert read.frame["reason"].tolist() == ["", NO_FACE, "file is empty"]
    assert [read.count(status) for status in (FOUND, MISSED, UNUSABLE)] == [1, 1, 1]
    known = read.detections()
    assert set(known) == {"1", "2"}  # an image that could not be read may be repaired by tomorrow
    face = known["1"].face
    assert face is not None
    assert (face.box, face.score, known["1"].n_faces) == (FACE.box, FACE.score, 2)
    np.testing.assert_array_equal(face.landmarks, FACE.landmarks)
    assert (known["2"].face, known["2"].reason) == (None, NO_FACE)


def test_a_table_without_a_single_row_can_be_kept(tmp_path: Path) -> None:
    pq.write_table(FaceTable.of([], [], [], INFO).to_arrow(), tmp_path / "none.parquet")
    assert len(FaceTable.read(tmp_path / "none.parquet")) == 0


def _schema_99(path: Path) -> None:
    metadata: dict[bytes, Any] = {b"fer-stage-faces": b'{"schema": 99}'}
    pq.write_table(pa.table({"id": ["a"]}).replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no face table at "),
        (lambda path: path.write_bytes(b"not a table"), "not a Parquet file"),
        (lambda path: pq.write_table(pa.table({"id": ["a"]}), path), "expected a face table of schema 1, found none"),
        (_schema_99, "found 99"),
    ],
    ids=["missing", "garbage", "another table", "newer"],
)
def test_what_is_no_face_table_says_what_to_do(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "faces.parquet")
    with pytest.raises(TableError, match=message) as error:
        FaceTable.read(tmp_path / "faces.parquet")
    assert list(error.value.remedy) == [("align", {"dataset": "faces", "face_tables": str(tmp_path)})]


def test_a_picture_of_one_pixel_is_searched_too(tmp_path: Path) -> None:
    detections = found({"one.png": encoded(np.asarray(Image.new("RGB", (1, 1))))}, tmp_path, threads=1)
    assert detections[0][1].reason == NO_FACE
