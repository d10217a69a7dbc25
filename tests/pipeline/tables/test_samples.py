"""The sample table: what is refused, and that writing and reading change nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TableError
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import Sample, SampleTable, TableInfo

INFO = TableInfo("faces", "folder", "data/faces", ("fear", "anger"))
SAMPLE = Sample("a.png", "a.png", "fear", "train", "0" * 64)
SAMPLES = (
    SAMPLE,
    Sample("é b", "é b.tar::1.png", "anger", "val", "f" * 64, subject="p", clip="c", frame=3, fold=0, box=(1, 2, 3, 4)),
    Sample("broken", "broken.png", "anger", "test", reason="cut short", votes=(0, 7), distribution=(0.25, 0.75)),
)


def check(sample: Sample) -> None:
    SampleTable.from_samples([replace(SAMPLE, id="first"), sample], INFO)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "first"}, "1 ids repeat, first 'first'"),
        ({"label": "joy"}, "label is 'joy'; expected one of fear, anger"),
        ({"split": "dev"}, "split is 'dev'; expected one of train, val, test"),
        ({"sha256": ""}, "1 usable rows without a sha256, first 'a.png'"),
        ({"sha256": "0" * 63}, "1 usable rows without a sha256"),
        ({"sha256": "0" * 65}, "1 usable rows without a sha256"),
        ({"sha256": "0" * 64 + "\n"}, "1 usable rows without a sha256"),
        ({"sha256": "F" * 64}, "1 usable rows without a sha256"),
        ({"box": (0, 0, 0, 5)}, "a box is"),
        ({"distribution": (0.5, 0.4)}, "a distribution is the shares of 2 classes, 0 or more, which sum to 1, found"),
        ({"distribution": (1.5, -0.5)}, "a distribution is the shares of 2 classes"),
        ({"distribution": (0.5, 0.25, 0.25)}, "a distribution is the shares of 2 classes"),
        ({"distribution": (float("nan"), 1.0)}, "a distribution is the shares of 2 classes"),
        ({"path": "/etc/a.png"}, "1 paths leave the root, first '/etc/a.png'"),
        ({"path": ""}, "1 paths leave the root"),
    ],
)
def test_a_malformed_row_is_refused(changes: dict[str, object], problem: str) -> None:
    check(SAMPLE)
    with pytest.raises(TableError, match=f"^sample table of faces: .*{problem}"):
        check(replace(SAMPLE, **changes))  # type: ignore[arg-type]  # each is of its field's type


@given(st.lists(st.sampled_from(["..", ".", "", "a", "..b", "c..", "...", "\n", "d e"]), min_size=1, max_size=4))
def test_a_path_never_leaves_the_root(parts: list[str]) -> None:
    path = "/".join(parts)
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        with pytest.raises(TableError, match="leave the root"):
            check(replace(SAMPLE, path=path))
    else:
        check(replace(SAMPLE, path=path))


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(TableError, match="no images"):
        SampleTable.from_samples([], INFO)


def test_a_written_table_is_read_as_it_was(tmp_path: Path) -> None:
    table = SampleTable.from_samples(SAMPLES, INFO)
    pq.write_table(table.to_arrow(), tmp_path / "faces.parquet")
    read = SampleTable.read(tmp_path / "faces.parquet")
    pd.testing.assert_frame_equal(read.frame, table.frame)
    assert read.info == table.info
    assert read.frame["box"].tolist() == [None, (1, 2, 3, 4), None]
    assert read.frame["frame"].tolist() == [pd.NA, 3, pd.NA]


class TestClips:
    @staticmethod
    def table() -> SampleTable:
        """Clip a: two frames of train, one rejected; b: one of test, equal to one of a; c: rejected."""
        digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in "xyz"}
        rows = [
            Sample("a/0", "a/0.jpg", "anger", "train", digest["x"], clip="a", frame=0, subject="s", fold=1),
            Sample("a/1", "a/1.jpg", "anger", "train", reason="file is empty", clip="a", frame=1, subject="s", fold=1),
            Sample("a/2", "a/2.jpg", "anger", "train", digest["y"], clip="a", frame=2, subject="s", fold=1),
            Sample("b/0", "b/0.jpg", "fear", "test", digest["y"], clip="b", frame=0, subject="s", fold=2),
            Sample("c", "c", "fear", "test", reason="clip is missing", clip="c", subject="t", fold=2),
        ]
        return SampleTable.from_samples(rows, TableInfo("d", "clips", "/r", EXPRESSIONS[:7], unit="clip"))

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"label": "anger"}, "clip 'a': expected one label on all its rows"),
            ({"split": "val"}, "clip 'a': expected one split"),
            ({"subject": None}, "clip 'a': expected one subject"),
            ({"scene": "Crisis"}, "clip 'a': expected one scene"),
            ({"fold": None}, "clip 'a': expected one fold"),
            ({"distribution": (0.5, 0.5)}, "clip 'a': expected one distribution"),
            ({"distribution": None}, "clip 'a': expected one distribution"),
            ({"frame": 0}, "frame 0 of clip 'a' is on two rows"),
            ({"frame": None}, "every usable row needs the number of its frame, none in row 1"),
            ({"clip": ""}, "every row needs the name of its clip, none in row 1"),
        ],
    )
    def test_rows_of_a_clip_that_contradict_each_other_are_refused(
        self, changes: dict[str, object], problem: str
    ) -> None:
        info = replace(INFO, unit="clip")
        known = {"clip": "a", "subject": "s", "scene": "Action", "fold": 1, "distribution": (0.25, 0.75)}
        first = replace(SAMPLE, frame=0, **known)  # type: ignore[arg-type]  # each is of its field's type
        second = replace(first, id="b.png", frame=1)
        SampleTable.from_samples([first, second], info)
        with pytest.raises(TableError, match=problem):
            SampleTable.from_samples([first, replace(second, **changes)], info)  # type: ignore[arg-type]

    def test_units_are_one_usable_row_of_each_clip_if_it_has_one(self) -> None:
        assert self.table().units["id"].tolist() == ["a/0", "b/0", "c"]

    def test_the_summary_counts_clips_and_frames(self) -> None:
        summary = self.table().summary()
        assert (summary["clips"], summary["rows"]) == (3, 5)
        assert summary["splits"] == {"train": 1, "val": 0, "test": 1}
        assert summary["frames"] == {"train": 2, "val": 0, "test": 1}
        assert summary["rejected"] == {"clip is missing": 1}
        assert summary["rejected_frames"] == {"file is empty": 1}
        assert summary["labels"]["anger"] == summary["labels"]["fear"] == 1

    def test_crossing_counts_clips(self) -> None:
        across = {"test in train": 1, "across folds": 2}
        assert self.table().crossing() == {"bytes": across, "subject": across}
