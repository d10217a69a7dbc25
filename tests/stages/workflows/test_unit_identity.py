"""Which units a store has and what identifies them: clips by hand, images as they were before there were clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from unit_stores import CLASSES, digest, features, rows, write_store

from cache.store import Store
from pipeline.methods import config_class
from pipeline.sources import ClipSource
from stages.workflows.head_identity import HeadIdentity
from stages.workflows.overlap import _overlap
from stages.workflows.row_identity import HeadRows, head_rows_digest, rows_digest, split_rows
from stages.workflows.sweep import RunSpec
from stages.workflows.unit_source import StoredClips, unit_source

# Computed by commit 78e9adf, which knew images alone. A version of a method that changes its key is changed here, too.
_RUN_KEYS = {
    "linear-probe": "e8784064c4bd4e84",
    "cafe": "7bac015ce55bb641",
    "feature-mask": "08d0404684e4409a",
    "baseline": "b16b823645a783ef",
    "cliper": "c27bf4d74e18013f",
    "metd": "af233b4e488e400e",
}


@pytest.fixture
def images(tmp_path: Path) -> Store:
    splits = ["train", "val", "test"] + ["train", "test", "val"] * 2 + ["test", "train", "val"]
    status = ["ok", "ok", "rejected", *["ok"] * 6, "rejected", "ok", "ok"]
    boxes = ["", "1,2,3,4", "", *["5,6,7,8"] * 9]
    return write_store(tmp_path / "images.zarr", rows(12, split=splits, status=status, box=boxes), features(12))


def test_digests_and_run_keys_of_images_are_those_of_before_there_were_clips(images: Store) -> None:
    units = unit_source(images)
    assert head_rows_digest(units, CLASSES).startswith("4ab6a26dd4a948be")
    assert head_rows_digest(units, CLASSES[:3]).startswith("4bda1a17e5530e9e")
    digests = {split: rows_digest(split_rows(units, split))[:12] for split in ("train", "val", "test", None)}
    assert digests == {"train": "750c458286be", "val": "f3c40fa64178", "test": "32b172311e79", None: "94b5295e739d"}
    assert units.label_counts["train"] == {"surprise": 1, "happiness": 2, "neutral": 1}
    identity = HeadIdentity(units, "drawn", "encoder", CLASSES, None)
    keys = {name: identity.run_key(RunSpec(config_class(name)(), 3, "", Path("x")))[:16] for name in _RUN_KEYS}
    assert keys == _RUN_KEYS
    assert "unit" not in identity.fields(RunSpec(config_class("metd")(), 3, "", Path("x")))


def test_images_are_read_as_the_store_gives_them(images: Store) -> None:
    units = unit_source(images)
    assert not isinstance(units, ClipSource)
    for split in ("train", "val", "test"):
        assert units.labels(split).tolist() == images.labels(split).tolist()
        assert units.ids(split).tolist() == images.ids(split).tolist()
        assert np.array_equal(units.features(split), images.features(split))
        assert units.rejected(split) == images.rejected(split)
        assert units.rejected_frames(split) == 0


CLIPS = {
    # Row: clip, frame, usable. b is shown backwards and has one masked frame, c none that is usable; d is in val.
    "clip": ["b", "a", "b", "c", "b", "a", "d", "c"],
    "frame": [9, 0, 4, 0, 2, 7, 0, 5],
    "status": ["ok", "ok", "ok", "rejected", "rejected", "ok", "ok", "rejected"],
    "split": ["train"] * 6 + ["val", "train"],
    "label": ["fear", "anger", "fear", "sadness", "fear", "anger", "fear", "sadness"],
}


def clip_table(**columns: list[object]) -> pd.DataFrame:
    return rows(8, **(CLIPS | columns))


@pytest.fixture
def clips(tmp_path: Path) -> StoredClips:
    units = unit_source(write_store(tmp_path / "clips.zarr", clip_table(), features(8), unit="clip"))
    assert isinstance(units, StoredClips)
    assert isinstance(units, ClipSource)
    return units


def test_clips_by_hand(clips: StoredClips) -> None:
    """Usable train rows are 0, 1, 2 and 5: b has rows 2 and 0 in the order of time (frames 4 and 9), a 1 and 5."""
    assert clips.ids("train").tolist() == ["b", "a"]
    assert clips.labels("train").tolist() == ["fear", "anger"]
    assert clips.features("train")[:, 0].tolist() == [0, 1, 2, 5]
    assert clips.clips("train").rows.tolist() == [2, 0, 1, 3]  # positions among the four
    assert clips.clips("train").starts.tolist() == [0, 2, 4]
    assert (clips.rejected("train"), clips.rejected_frames("train")) == (1, 1)
    assert (clips.ids("val").tolist(), clips.rejected("val"), clips.rejected_frames("val")) == (["d"], 0, 0)
    assert clips.labels(None).tolist() == ["fear", "anger", "fear"]


def test_another_assignment_of_splits_is_used_everywhere(clips: StoredClips) -> None:
    splits = np.array(["test" if clip == "a" else "val" for clip in CLIPS["clip"]], dtype=object)
    units = unit_source(clips.store, splits)
    assert {split: units.ids(split).tolist() for split in ("train", "val", "test")} == {
        "train": [],
        "val": ["b", "d"],
        "test": ["a"],
    }
    assert units.features("test")[:, 0].tolist() == [1, 5]
    assert (units.rejected("val"), units.rejected("test")) == (1, 0)
    assert units.label_counts == {"train": {}, "val": {"fear": 2}}
    assert split_rows(units, "test").labels.tolist() == ["anger"]
    assert head_rows_digest(units, CLASSES) != head_rows_digest(clips, CLASSES)


def test_a_clip_is_known_by_its_usable_frames_their_numbers_and_its_label(tmp_path: Path, clips: StoredClips) -> None:
    def of(name: str, **columns: list[object]) -> str:
        store = write_store(tmp_path / f"{name}.zarr", clip_table(**columns), features(8), unit="clip")
        return head_rows_digest(unit_source(store), CLASSES)

    before = head_rows_digest(clips, CLASSES)
    sha256 = [digest(i) for i in range(8)]
    assert of("same") == before
    assert of("masked", sha256=[*sha256[:4], digest(99), *sha256[5:]]) == before  # no frame that is read
    assert of("bytes", sha256=[digest(99), *sha256[1:]]) != before
    assert of("number", frame=[8, *CLIPS["frame"][1:]]) != before
    assert of("label", label=["anger", "anger", "anger", *CLIPS["label"][3:]]) != before
    assert of("usable", status=["ok"] * 8) != before
    assert len(split_rows(clips, "train").keys) == 2
    assert clips.label_counts == {"train": {"fear": 1, "anger": 1}, "val": {"fear": 1}}


def test_a_clip_overlaps_if_one_of_its_frames_does(clips: StoredClips) -> None:
    """Rows 0 and 2 are b, 1 and 5 are a. The head was trained on row 5, and selected on a row that is masked here."""
    scored = split_rows(clips, "train")
    images = scored.image_sha256
    assert images is not None
    assert images.tolist() == [digest(i) for i in (2, 0, 1, 5)]
    of_head = HeadRows(np.array([digest(5)]), np.array([digest(4)]), np.array([digest(5), digest(0)]))
    overlap = _overlap(of_head, scored, images, None)
    assert overlap.train.tolist() == [False, True]
    assert overlap.val.tolist() == [False, False]
    assert overlap.dataset.tolist() == [True, True]
    assert scored.take(np.array([False, True])).image_sha256.tolist() == [digest(1), digest(5)]  # type: ignore[union-attr]


class _Audit:
    """What an audit finds, by hand: row 0 shows the pixels of a row of the head, rows 2 and 1 are near one."""

    def equal_rows(self, images: list[str], among: list[str]) -> dict[str, np.ndarray]:
        masks = {"bytes": (), "pixels": (0,), "phash": (2, 1)}
        return {kind: np.isin(images, [digest(i) for i in found]) for kind, found in masks.items()}


def test_a_clip_counts_under_the_strictest_kind_of_its_frames(clips: StoredClips) -> None:
    scored = split_rows(clips, "train")
    nothing = np.array([digest(99)])
    overlap = _overlap(HeadRows(nothing, nothing, nothing), scored, scored.image_sha256, _Audit())  # type: ignore[arg-type]
    assert overlap.near is not None
    assert {kind: mask.tolist() for kind, mask in overlap.near.items()} == {
        "pixels": [True, False],  # b by row 0, though its row 2 is near another
        "phash": [False, True],
    }
    assert overlap.dataset.tolist() == [True, True]


def test_a_store_without_a_usable_clip_has_none(tmp_path: Path) -> None:
    store = write_store(tmp_path / "none.zarr", clip_table(status=["rejected"] * 8), features(8), unit="clip")
    units = unit_source(store)
    assert units.labels("train").tolist() == []
    assert (units.rejected("train"), units.rejected_frames("train")) == (3, 0)
    rows_of_none = split_rows(units, "train")
    assert len(rows_of_none) == 0
    assert rows_of_none.with_any(np.zeros(0, bool)).tolist() == []
