"""The clips of a store, against a loop over its rows one by one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit_stores import CLASSES, features, rows, write_store

from pipeline.errors import ConfigError
from pipeline.features import FeatureDataset
from pipeline.learning.clips import ClipSampler
from pipeline.learning.split_loader import UnitReading, read_split
from stages.workflows.unit_source import StoredClips, unit_source

SPLITS = ("train", "val", "test")
Row = tuple[int, int, bool]  # clip, frame, usable


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Frames of up to five clips in any order; some are masked."""
    clips = draw(
        st.lists(
            st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=5, unique_by=lambda f: f[0]),
            min_size=1,
            max_size=5,
        )
    )
    listed = [(clip, frame, usable) for clip, frames in enumerate(clips) for frame, usable in frames]
    return draw(st.permutations(listed or [(0, 0, True)]))


def label(clip: int) -> str:
    return CLASSES[clip % 3]


def split_of(clip: int) -> str:
    return SPLITS[clip % 2]


def stored(listed: list[Row], folder: str) -> StoredClips:
    columns: dict[str, Any] = {
        "clip": [f"clip-{clip}" for clip, _, _ in listed],
        "frame": [frame for _, frame, _ in listed],
        "status": ["ok" if usable else "rejected" for _, _, usable in listed],
        "label": [label(clip) for clip, _, _ in listed],
        "split": [split_of(clip) for clip, _, _ in listed],
    }
    n = len(listed)
    units = unit_source(write_store(Path(folder) / "s.zarr", rows(n, **columns), features(n) + 1, unit="clip"))
    assert isinstance(units, StoredClips)
    return units


@settings(max_examples=25)
@given(tables())
def test_labels_ids_frames_and_features_are_those_of_a_loop_over_the_rows(listed: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        units = stored(listed, folder)
        for split in SPLITS:
            expected: dict[int, list[tuple[int, float]]] = {}
            frames_of_split: dict[int, list[bool]] = {}
            for number, (clip, frame, usable) in enumerate(listed):
                if split_of(clip) == split:
                    frames_of_split.setdefault(clip, []).append(usable)
                    expected.setdefault(clip, []).extend([(frame, number + 1.0)] if usable else [])
            kept = {clip: sorted(frames) for clip, frames in expected.items() if frames}
            assert units.ids(split).tolist() == [f"clip-{clip}" for clip in kept]
            assert units.labels(split).tolist() == [label(clip) for clip in kept]
            clips, values = units.clips(split), units.features(split)[:, 0]
            assert len(clips) == len(kept)
            found = [values[clips.rows[a:b]].tolist() for a, b in zip(clips.starts[:-1], clips.starts[1:], strict=True)]
            assert found == [[value for _, value in frames] for frames in kept.values()]
            assert clips.n_frames.tolist() == [len(frames) for frames in kept.values()]
            assert units.rejected(split) == len(expected) - len(kept)
            masked = [usable.count(False) for clip, usable in frames_of_split.items() if clip in kept]
            assert units.rejected_frames(split) == sum(masked)


def test_what_a_head_reads_of_clips_by_hand(tmp_path: Path) -> None:
    """Clip 0 has frames 3, 1 and 2 in rows 1, 2 and 4, features 1, 2 and 4: with T = 2 the centres of its segments are
    positions floor(0.5 * 3 / 2) = 0 and floor(1.5 * 3 / 2) = 2 in time, of features 2 and 1: mean 1.5. Clip 2 has one
    frame, of feature 3, which is read twice.
    """
    listed = [(0, 3, True), (0, 1, True), (2, 0, True), (0, 2, True)]
    units = stored(listed, str(tmp_path))
    data, _ = read_split(units, "train", ("pooled",), CLASSES[:3], drop=False, reading=UnitReading(clip_frames=2))
    assert data.ids.tolist() == ["clip-0", "clip-2"]
    assert data.plain["pooled"][:][:, 0].tolist() == [1.5, 3.0]
    assert data.features()[:, 0].tolist() == [1.5, 3.0]
    assert data.shape() == (4,)


def test_frames_that_are_drawn_are_of_their_clips_and_segments(tmp_path: Path) -> None:
    """Two clips of four frames, T = 2: of each the first is among frames 0 and 1, the second among 2 and 3."""
    units = stored([(clip, frame, True) for frame in range(4) for clip in (0, 2)], str(tmp_path))
    sampler = ClipSampler(units.clips("train"), 2, is_random=True)
    values = units.features("train")[:, 0] - 1  # the number of the row: 2 * frame + 0 or 1 for the clip
    drawn = np.stack([sampler.draw(np.random.default_rng(seed).random((2, 2))) for seed in range(50)])
    numbers = values[drawn]  # (50, 2 clips, 2 frames)
    assert set(numbers[:, 0, 0]) == {0, 2}
    assert set(numbers[:, 0, 1]) == {4, 6}
    assert set(numbers[:, 1, 0]) == {1, 3}
    assert set(numbers[:, 1, 1]) == {5, 7}


def test_a_dataset_for_torch_reads_rows(tmp_path: Path) -> None:
    units = stored([(0, 0, True), (0, 1, True), (2, 0, True)], str(tmp_path))
    assert len(FeatureDataset(units.store, "train")) == 3
    with pytest.raises(ConfigError, match="its rows are frames"):
        FeatureDataset(units, "train")
