"""fer-stage align: every image looked at once, whatever happens in between; and what it says of it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from drawn_dataset import BLANKS, N_IMAGES, add_pictures, index_faces
from PIL import Image
from separate_process import command

from cache.errors import StoreLockedError
from cache.lock import exclusive, lock_path
from pipeline.errors import TableError
from pipeline.faces import Face, load_detector
from pipeline.faces.table import FaceTable
from pipeline.progress import silent
from pipeline.tables.samples import SampleTable
from stages.workflows.align import Aligning

FerStage = Callable[..., Any]
ALIGN = ("align", "--dataset", "faces", "--threads", "1", "--format", "json")
TABLE = Path("faces/faces.parquet")
UNFINISHED = Path("faces/.faces.parquet.building")


@dataclass
class Watched:
    """The real detector, which counts, and can be stopped as Ctrl-C would stop it."""

    stop_after: int = 10**9
    version: int = 1
    seen: int = 0
    detector: Any = field(default_factory=load_detector)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"watched": self.version}

    def detect(self, picture: Image.Image) -> list[Face]:
        if self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += 1
        faces: list[Face] = self.detector.detect(picture)
        return faces


def align(detector: Watched) -> dict[str, Any]:
    table = SampleTable.read(Path("tables/faces.parquet"))
    return Aligning(table, Path("faces-here"), detector, TABLE, 1).run(silent)


@pytest.fixture
def faces(empty: Path) -> Path:
    add_pictures(0, N_IMAGES)
    index_faces()
    return empty


def test_it_finds_keeps_and_counts(faces: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*ALIGN)
    assert summary["faces_per_second"] > 0
    counts = {name: summary[name] for name in ("dataset", "rows", "aligned", "missed", "rejected", "several", "path")}
    assert counts == {
        "dataset": "faces",
        "rows": N_IMAGES,
        "aligned": N_IMAGES - len(BLANKS),
        "missed": len(BLANKS),
        "rejected": 0,
        "several": 0,
        "path": str(TABLE),
    }
    table, samples = FaceTable.read(TABLE), SampleTable.read(Path("tables/faces.parquet"))
    assert table.frame["id"].tolist() == samples.frame["id"].tolist()
    missed = table.frame["status"] == "missed"
    assert {Path(name).stem for name in samples.frame["path"][missed]} == {f"{i:02d}" for i in BLANKS}


def test_a_second_time_nothing_is_done(faces: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]) -> None:
    first, written = fer_stage(*ALIGN), TABLE.stat().st_mtime_ns
    second = fer_stage(*ALIGN)
    assert (second["detected"], second["aligned"]) == (0, first["aligned"])
    assert TABLE.stat().st_mtime_ns == written


def test_a_grown_dataset_looks_at_what_is_new(faces: Path) -> None:
    assert align(Watched())["detected"] == N_IMAGES
    add_pictures(N_IMAGES, 3)
    index_faces()
    detector = Watched()
    summary = align(detector)
    assert (summary["rows"], summary["detected"], detector.seen) == (N_IMAGES + 3, 3, 3)


def test_an_image_that_stands_on_two_rows_is_looked_at_once(faces: Path) -> None:
    twin = Path("faces-here/fear/00.png")
    Path("faces-here/fear/twin.png").write_bytes(twin.read_bytes())
    index_faces()
    detector = Watched()
    summary = align(detector)
    assert (summary["rows"], summary["aligned"]) == (N_IMAGES + 1, N_IMAGES + 1 - len(BLANKS))
    assert detector.seen == N_IMAGES


def test_another_detector_finds_all_anew(faces: Path) -> None:
    align(Watched())
    assert align(Watched(version=2))["detected"] == N_IMAGES


def test_after_ctrl_c_it_goes_on_where_it_was_and_ends_with_the_same_table(faces: Path) -> None:
    add_pictures(N_IMAGES, 30)
    index_faces()
    with pytest.raises(KeyboardInterrupt):
        align(Watched(stop_after=20))
    assert not TABLE.exists()
    kept = len(FaceTable.read(UNFINISHED))
    assert 0 < kept <= 20
    detector = Watched()
    align(detector)
    assert detector.seen == N_IMAGES + 30 - kept
    assert not UNFINISHED.exists()
    resumed = TABLE.read_bytes()
    TABLE.unlink()
    align(Watched())
    assert TABLE.read_bytes() == resumed


def test_a_kill_leaves_no_half_table(faces: Path) -> None:
    with subprocess.Popen(command(*ALIGN), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGKILL)
    if TABLE.exists():
        assert len(FaceTable.read(TABLE)) == N_IMAGES
    assert align(Watched())["aligned"] == N_IMAGES - len(BLANKS)


def test_a_bad_image_is_counted_with_its_reason(faces: Path, fer_stage: FerStage) -> None:
    Path("faces-here/fear/bad.png").write_bytes(b"dear reader")
    index_faces()
    assert fer_stage(*ALIGN)["rejected"] == 1
    frame = FaceTable.read(TABLE).frame
    assert frame["reason"][frame["status"] == "rejected"].tolist() == ["not an image"]


def test_the_first_rows_get_a_table_of_their_own(faces: Path, fer_stage: FerStage) -> None:
    assert fer_stage(*ALIGN, "--limit", "4")["path"] == "faces/faces.first-4.parquet"
    assert len(FaceTable.read(Path("faces/faces.first-4.parquet"))) == 4
    assert not TABLE.exists()


def test_the_contact_sheet_is_a_picture_of_all_of_them(faces: Path, fer_stage: FerStage) -> None:
    fer_stage(*ALIGN, "--contact-sheet", "look/sheet.png")
    with Image.open("look/sheet.png") as sheet:
        assert sheet.size == (6 * 228, 2 * 116)  # ten pairs in rows of six
    error = fer_stage(*ALIGN, "--contact-sheet", "sheet.gif", code=2)
    assert ".png" in error


def test_a_dry_run_writes_nothing(faces: Path, fer_stage: FerStage) -> None:
    assert fer_stage(*ALIGN, "--dry-run")["to_detect"] == N_IMAGES
    assert not Path("faces").exists()


def test_two_at_once_are_told_of_each_other(faces: Path) -> None:
    TABLE.parent.mkdir()
    with exclusive(lock_path(TABLE)), pytest.raises(StoreLockedError, match="pid"):
        align(Watched())


def test_where_nothing_is_to_be_aligned_an_empty_table_stands(faces: Path, fer_stage: FerStage) -> None:
    assert fer_stage(*ALIGN, "--if-any")["rows"] == 0
    assert len(FaceTable.read(TABLE)) == 0
    Path("params.yaml").write_text("extract: {faces: aligned}")
    assert fer_stage(*ALIGN, "--if-any")["aligned"] == N_IMAGES - len(BLANKS)
    Path("params.yaml").write_text("extract: {faces: given}")
    assert fer_stage(*ALIGN, "--if-any")["rows"] == 0
    assert len(FaceTable.read(TABLE)) == N_IMAGES  # they took long to find


def test_a_damaged_face_table_is_not_replaced_unasked(faces: Path) -> None:
    TABLE.parent.mkdir()
    TABLE.write_bytes(b"something else")
    with pytest.raises(TableError, match="Delete it"):
        align(Watched())


def test_images_that_all_fail_for_one_reason_are_not_looked_at_to_the_last(empty: Path, fer_stage: FerStage) -> None:
    folder = Path("pictures/anger")
    folder.mkdir(parents=True)
    for i in range(70):
        (folder / f"{i:03d}.png").write_bytes(b"no picture %d" % i)
    fer_stage("index", "--dataset", "faces", "--layout", "folder", "--root", "pictures")
    assert "the first 64 are all rejected for one reason (anger/000.png: not an image)" in fer_stage(*ALIGN, code=1)
    assert fer_stage(*ALIGN, "--max-rejected", "1")["rejected"] == 70
    assert "70 of 70 images are rejected" in fer_stage(*ALIGN, code=3)
