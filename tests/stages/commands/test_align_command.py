"""fer-stage align: every image is searched once, also after an interruption; its summary; its result in Python."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from drawn_dataset import BLANKS, N_IMAGES, add_pictures, index_faces
from PIL import Image

import stages
from cache.errors import StoreLockedError
from cache.places.lock import exclusive, lock_path
from pipeline.errors import ChangedImageError, TableError
from pipeline.faces import Face
from pipeline.faces.detector import load_detector
from pipeline.faces.table import FaceTable
from pipeline.progress import silent
from pipeline.tables.samples import SampleTable
from stages.errors import CheckFailedError, ParamsError
from stages.workflows.align import FaceTableBuilder

FerStage = Callable[..., Any]
ALIGN = ("align", "--dataset", "faces", "--threads", "1", "--format", "json")
TABLE = Path("faces/faces.parquet")
UNFINISHED = Path("faces/.faces.parquet.building")


@dataclass
class CountingDetector:
    """The real detector; counts images, and can be stopped as Ctrl-C would stop it."""

    stop_after: int = 10**9
    version: int = 1
    n_images: int = 0
    detector: Any = field(default_factory=load_detector)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"counting": self.version}

    def detect(self, picture: Image.Image) -> list[Face]:
        if self.n_images >= self.stop_after:
            raise KeyboardInterrupt
        self.n_images += 1
        faces: list[Face] = self.detector.detect(picture)
        return faces


def align(detector: CountingDetector) -> Mapping[str, Any]:
    table = SampleTable.read(Path("tables/faces.parquet"))
    return FaceTableBuilder(table, Path("faces-here"), detector, TABLE, 1).run(silent).summary()


@pytest.fixture
def faces(empty: Path) -> Path:
    add_pictures(0, N_IMAGES)
    index_faces()
    return empty


def test_faces_are_found_written_and_counted(faces: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*ALIGN)
    assert summary["faces_per_second"] == pytest.approx(N_IMAGES / summary["seconds"], rel=0.02)  # seconds are rounded
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
    assert align(CountingDetector())["detected"] == N_IMAGES
    add_pictures(N_IMAGES, 3)
    index_faces()
    detector = CountingDetector()
    summary = align(detector)
    assert (summary["rows"], summary["detected"], detector.n_images) == (N_IMAGES + 3, 3, 3)


def test_an_image_of_two_rows_is_searched_once(faces: Path) -> None:
    twin = Path("faces-here/fear/00.png")
    Path("faces-here/fear/twin.png").write_bytes(twin.read_bytes())
    index_faces()
    detector = CountingDetector()
    summary = align(detector)
    assert (summary["rows"], summary["aligned"]) == (N_IMAGES + 1, N_IMAGES + 1 - len(BLANKS))
    assert detector.n_images == N_IMAGES


def test_another_detector_searches_all_images_again(faces: Path) -> None:
    align(CountingDetector())
    assert align(CountingDetector(version=2))["detected"] == N_IMAGES


def test_after_ctrl_c_it_resumes_and_ends_with_the_same_table(faces: Path) -> None:
    add_pictures(N_IMAGES, 30)
    index_faces()
    with pytest.raises(KeyboardInterrupt):
        align(CountingDetector(stop_after=20))
    assert not TABLE.exists()
    n_saved = len(FaceTable.read(UNFINISHED))
    assert 0 < n_saved <= 20
    detector = CountingDetector()
    align(detector)
    assert detector.n_images == N_IMAGES + 30 - n_saved
    assert not UNFINISHED.exists()
    resumed = TABLE.read_bytes()
    TABLE.unlink()
    align(CountingDetector())
    assert TABLE.read_bytes() == resumed


def test_a_kill_leaves_no_half_table(faces: Path) -> None:
    """Killed when the whole table is written and about to be renamed."""
    killer = (
        "import os, signal, sys\n"
        f"is_named = lambda event, args: event == 'os.rename' and os.fspath(args[1]).endswith({str(TABLE)!r})\n"
        "sys.addaudithook(lambda event, args: is_named(event, args) and os.kill(os.getpid(), signal.SIGKILL))\n"
        "from stages.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", killer, *ALIGN], capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not TABLE.exists()
    assert align(CountingDetector())["aligned"] == N_IMAGES - len(BLANKS)


def test_a_bad_image_is_counted_with_its_reason(faces: Path, fer_stage: FerStage) -> None:
    Path("faces-here/fear/bad.png").write_bytes(b"no picture")
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


def test_a_second_align_of_a_dataset_fails_with_the_pid_of_the_first(faces: Path) -> None:
    TABLE.parent.mkdir()
    with exclusive(lock_path(TABLE)), pytest.raises(StoreLockedError, match="pid"):
        align(CountingDetector())


def test_where_nothing_is_to_be_aligned_the_face_table_is_empty(faces: Path, fer_stage: FerStage) -> None:
    assert fer_stage(*ALIGN, "--if-any")["rows"] == 0
    assert len(FaceTable.read(TABLE)) == 0
    Path("params.yaml").write_text("extract: {faces: aligned}")
    assert fer_stage(*ALIGN, "--if-any")["aligned"] == N_IMAGES - len(BLANKS)
    Path("params.yaml").write_text("extract: {faces: given}")
    assert fer_stage(*ALIGN, "--if-any")["rows"] == 0
    assert len(FaceTable.read(TABLE)) == N_IMAGES  # they took long to find


def test_a_damaged_face_table_is_not_replaced(faces: Path) -> None:
    TABLE.parent.mkdir()
    TABLE.write_bytes(b"something else")
    with pytest.raises(TableError, match="Delete it"):
        align(CountingDetector())


def test_the_search_stops_where_all_images_fail_for_one_reason(empty: Path, fer_stage: FerStage) -> None:
    folder = Path("pictures/anger")
    folder.mkdir(parents=True)
    for i in range(70):
        (folder / f"{i:03d}.png").write_bytes(b"no picture %d" % i)
    fer_stage("index", "--dataset", "faces", "--layout", "folder", "--root", "pictures")
    assert "the first 64 are all rejected for one reason (anger/000.png: not an image)" in fer_stage(*ALIGN, code=1)
    assert fer_stage(*ALIGN, "--max-rejected", "1")["rejected"] == 70
    assert "70 of 70 images are rejected" in fer_stage(*ALIGN, code=3)


def test_python_gets_the_face_table_that_is_written(faces: Path) -> None:
    result = stages.align("faces", threads=1)
    pd.testing.assert_frame_equal(result.frame, FaceTable.read(TABLE).frame)
    assert result.path == TABLE


def test_a_dry_run_in_python_has_the_faces_that_are_known_and_writes_nothing(faces: Path) -> None:
    assert stages.align("faces", dry_run=True).frame.empty
    assert not Path("faces").exists()
    stages.align("faces")
    add_pictures(N_IMAGES, 2)
    index_faces()
    before = TABLE.read_bytes()
    result = stages.align("faces", dry_run=True)
    assert (len(result.frame), result.n_rows, result.n_to_detect) == (N_IMAGES, N_IMAGES + 2, 2)
    assert TABLE.read_bytes() == before


def test_python_fails_above_max_rejected_and_the_faces_are_kept(faces: Path) -> None:
    Path("faces-here/fear/bad.png").write_bytes(b"no picture")
    index_faces()
    with pytest.raises(CheckFailedError, match="1 of 11 images are rejected"):
        stages.align("faces", max_rejected=0)
    assert len(FaceTable.read(TABLE)) == N_IMAGES + 1
    with pytest.raises(CheckFailedError, match="1 of 11 images are rejected"):  # also where nothing is left to do
        stages.align("faces", max_rejected=0)


def test_the_contact_sheet_of_python_is_a_png_too(faces: Path) -> None:
    with pytest.raises(ParamsError, match=r"contact_sheet: expected a name that ends with \.png, found 'sheet\.gif'"):
        stages.align("faces", contact_sheet="sheet.gif")  # type: ignore[arg-type]  # a text is a path, too


def test_an_image_that_changed_since_it_was_indexed_names_the_call_of_index(faces: Path) -> None:
    Image.new("RGB", (50, 50)).save("faces-here/fear/00.png")
    with pytest.raises(ChangedImageError) as error:
        stages.align("faces")
    index = {"dataset": "faces", "layout": "folder", "root": "faces-here", "tables": Path("tables")}
    assert error.value.remedy == [("index", index)]
    assert error.value.__notes__ == [
        "Run stages.index(dataset='faces', layout='folder', root='faces-here') and then try again"
    ]


def test_several_datasets_are_aligned_by_one_command(project: Path, fer_stage: FerStage) -> None:
    named = ("--dataset", "sample-a", "--dataset", "sample-e", "--dataset", "sample-a")
    rows = fer_stage("align", *named, "--if-any", "--format", "json")
    assert [row["path"] for row in rows] == ["faces/sample-a.parquet", "faces/sample-e.parquet"]
    message = fer_stage("align", *named, "--contact-sheet", "sheet.png", code=2)
    assert "--contact-sheet: expected one --dataset" in message
