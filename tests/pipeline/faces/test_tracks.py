"""Faces of successive frames keep their numbers: through movement, crossing and short absence, not through a cut."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.faces.tracks import Tracker, appearance

A, B = np.full(192, 0.8, np.float32), np.full(192, 0.3, np.float32)
"""Colours of two people: their RMS difference is 0.5, and the limits are 0.09 and 0.12."""


def box(x: float, size: float = 100.0) -> tuple[float, float, float, float]:
    return (x, 50.0, size, size)


def stacked(*features: np.ndarray) -> np.ndarray:
    return np.stack(features) if features else np.empty((0, 192), np.float32)


def test_a_face_that_moves_is_one_track() -> None:
    tracker = Tracker()
    assert [tracker.update(0.2 * i, [box(20.0 * i)], stacked(A)) for i in range(5)] == [[0]] * 5


def test_tracks_do_not_depend_on_the_order_of_the_faces() -> None:
    tracker = Tracker()
    assert tracker.update(0.0, [box(0), box(300)], stacked(A, B)) == [0, 1]
    assert tracker.update(0.2, [box(300), box(0)], stacked(B, A)) == [1, 0]


def test_a_cut_to_another_person_in_the_same_place_is_a_new_track() -> None:
    tracker = Tracker()
    tracker.update(0.0, [box(0)], stacked(A))
    assert tracker.update(0.2, [box(0)], stacked(B)) == [1]


def test_a_jump_to_another_place_is_a_new_track() -> None:
    """Within 0.2 s a face may be 1 + 2 * 0.2 of its widths from its last place."""
    tracker = Tracker()
    tracker.update(0.0, [box(0)], stacked(A))
    assert tracker.update(0.2, [box(139)], stacked(A)) == [0]
    assert tracker.update(0.4, [box(139 + 141)], stacked(A)) == [1]


def test_two_faces_that_cross_keep_their_tracks() -> None:
    """They move towards each other by 60 pixels a frame; in the third each is where the other was."""
    tracker = Tracker()
    tracks = [tracker.update(0.2 * i, [box(60.0 * i), box(120 - 60.0 * i)], stacked(A, B)) for i in range(4)]
    assert tracks == [[0, 1]] * 4


@pytest.mark.parametrize(("away_s", "track"), [(0.9, 0), (1.1, 1)])
def test_a_face_that_is_away_for_less_than_a_second_is_found_again(away_s: float, track: int) -> None:
    tracker = Tracker()
    tracker.update(0.0, [box(0)], stacked(A))
    assert tracker.update(away_s / 2, [], stacked()) == []
    assert tracker.update(away_s, [box(50)], stacked(A)) == [track]


def test_between_alike_people_the_overlap_decides() -> None:
    tracker = Tracker()
    tracker.update(0.0, [box(0), box(80)], stacked(A, A))
    assert tracker.update(0.2, [box(85), box(5)], stacked(A, A)) == [1, 0]


def test_light_that_changes_slowly_ends_no_track() -> None:
    tracker = Tracker()
    shades = [np.full(192, 0.3 + 0.04 * i, np.float32) for i in range(12)]
    assert [tracker.update(0.2 * i, [box(0)], stacked(shade)) for i, shade in enumerate(shades)] == [[0]] * 12


def test_old_tracks_are_forgotten() -> None:
    tracker = Tracker()
    for i in range(1000):
        tracker.update(float(2 * i), [box(0)], stacked(A))
    assert tracker.n_tracks == 1000
    assert tracker.open == {999}


def test_appearance_is_the_mean_colour_of_each_field() -> None:
    """A crop of 16 pixels has fields of 2 x 2; the first one here has red 0, 100, 100 and 200: 100 / 255."""
    crop = np.zeros((1, 16, 16, 3), np.uint8)
    crop[0, :2, :2, 0] = [[0, 100], [100, 200]]
    features = appearance(crop)
    assert features.shape == (1, 192)
    np.testing.assert_allclose(features[0, :3], [100 / 255, 0, 0])
    assert not features[0, 3:].any()
    assert appearance(np.empty((0, 16, 16, 3), np.uint8)).shape == (0, 192)
