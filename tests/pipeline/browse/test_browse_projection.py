"""Places of features in a plane."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.browse.projection import principal_plane, tsne_plane
from pipeline.errors import ConfigError


def test_places_are_the_principal_components_of_features_of_length_one() -> None:
    """(1, 0), (0, 1), (1, 0), (0, 1) at any length: the variance is all along (1, -1), 1/sqrt(2) from the center."""
    features = np.array([[2, 0], [0, 5], [1, 0], [0, 1]], np.float32)
    plane = principal_plane([features])
    np.testing.assert_allclose(np.abs(plane.places[:, 0]), 0.5**0.5, atol=1e-6)
    assert np.sign(plane.places[:, 0]).tolist() in ([1, -1, 1, -1], [-1, 1, -1, 1])
    np.testing.assert_allclose(plane.places[:, 1], 0, atol=1e-6)
    assert "100 % and 0 % of the variance" in plane.caption


def test_places_do_not_depend_on_how_features_are_cut_into_parts() -> None:
    features = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float16)
    whole = principal_plane([features]).places
    np.testing.assert_allclose(principal_plane([features[:20], features[20:]]).places, whole, atol=1e-6)


def test_a_rejected_row_has_no_place_and_moves_no_other() -> None:
    features = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    with_rejected = np.concatenate([features, np.full((1, 4), np.nan, np.float32)])
    places = principal_plane([with_rejected]).places
    assert np.isnan(places[-1]).all()
    np.testing.assert_allclose(places[:-1], principal_plane([features]).places, atol=1e-6)


def test_features_of_one_value_have_places_too() -> None:
    assert principal_plane([np.ones((3, 1), np.float32)]).places.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("n", [1, 7])
def test_equal_features_are_in_one_place_and_have_no_variance(n: int) -> None:
    """Else rounding errors would be drawn as a spread, with 99 % and 82 % of the variance."""
    feature = np.random.default_rng(0).normal(size=512).astype(np.float16)
    plane = principal_plane([np.tile(feature, (n, 1))])
    assert plane.places.tolist() == [[0, 0]] * n
    assert "0 % and 0 % of the variance" in plane.caption


def test_tsne_needs_five_units() -> None:
    with pytest.raises(ConfigError, match="at least 5 units with features, found 3"):
        tsne_plane([np.eye(3, dtype=np.float32)])


def test_tsne_separates_two_groups() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(20, 6)) * 0.01 + np.eye(6)[i] for i in (0, 3)]).astype(np.float32)
    places = tsne_plane([features]).places
    centers = places[:20].mean(axis=0), places[20:].mean(axis=0)
    spread = np.linalg.norm(places[:20] - centers[0], axis=1).max()
    assert np.linalg.norm(centers[0] - centers[1]) > spread
