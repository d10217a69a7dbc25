"""Which frames of a clip are taken: values by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.sampling import evenly, random_of_segments, segment_centres


def test_centres_of_segments_by_hand():
    """8 frames in 4 segments of 2: floor((i + 0.5) * 2) = 1, 3, 5, 7. 10 in 4 of 2.5: 1.25, 3.75, 6.25, 8.75."""
    assert segment_centres(np.array([8, 10]), 4).tolist() == [[1, 3, 5, 7], [1, 3, 6, 8]]


def test_a_short_clip_repeats_its_last_frame():
    assert segment_centres(np.array([1, 3]), 5).tolist() == [[0, 0, 0, 0, 0], [0, 1, 2, 2, 2]]


def test_random_frames_lie_in_their_segments():
    """10 frames in 4 segments from 0, 2.5, 5 and 7.5: the first and the last frame of each."""
    first, last = (random_of_segments(np.array([10]), np.full((1, 4), draw)) for draw in (0.0, 0.999))
    assert (first.tolist(), last.tolist()) == ([[0, 2, 5, 7]], [[2, 4, 7, 9]])


def test_all_frames_of_a_clip_that_is_short_enough_are_rows():
    assert evenly(3, 64).tolist() == [0, 1, 2]
    assert evenly(100, 0).tolist() == list(range(100))
    assert evenly(8, 4).tolist() == [1, 3, 5, 7]


@given(st.integers(1, 500), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_positions_are_frames_in_order(n_frames, n_segments, seed):
    draws = np.random.default_rng(seed).random((1, n_segments))
    for positions in (
        segment_centres(np.array([n_frames]), n_segments),
        random_of_segments(np.array([n_frames]), draws),
    ):
        assert positions.shape == (1, n_segments)
        assert (np.diff(positions) >= 0).all()
        assert 0 <= positions.min() <= positions.max() < n_frames
    if n_frames >= n_segments:
        assert len(np.unique(segment_centres(np.array([n_frames]), n_segments))) == n_segments
