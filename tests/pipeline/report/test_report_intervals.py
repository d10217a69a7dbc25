"""Intervals of means and differences, and which methods they cannot tell apart: by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from report_samples import make_run, score_json

from pipeline.report.cells import Cell
from pipeline.report.groups import group_runs
from pipeline.report.intervals import BEST, TIED, Estimate, drop, estimate, standings


def interval(low: float, high: float) -> dict[str, Any]:
    return {"ci95": {"accuracy": [low, high], "uar": [0.0, 1.0]}}


HIGHER, LOWER = interval(0.5, 0.8), interval(0.3, 0.5)  # around 0.6 and 0.4


def cells(*runs: Any) -> list[Cell]:
    (group,) = group_runs(runs)
    return group.unseen()


def test_scores_on_different_datasets_are_independent() -> None:
    """Mean 0.5; below sqrt(0.05^2 + 0.05^2) = 0.0707, above sqrt(0.1^2 + 0.05^2) = 0.1118."""
    mean = estimate(cells(make_run([score_json("b", 0.6, **HIGHER), score_json("c", 0.4, **LOWER)])), "accuracy")
    assert mean is not None
    assert mean.value == pytest.approx(0.5)
    assert mean.bounds == pytest.approx((0.5 - 0.0707, 0.5 + 0.1118), abs=1e-4)
    assert (mean.text, mean.interval) == ("50.0", "42.9 to 61.2")


def test_scores_on_the_same_images_are_fully_dependent() -> None:
    """Of two train datasets, mean 0.5: below (0.1 + 0.1) / 2, above (0.2 + 0.1) / 2."""
    runs = [make_run([score_json("c", 0.6, **HIGHER)]), make_run([score_json("c", 0.4, **LOWER)], dataset="b")]
    mean = estimate(cells(*runs), "accuracy")
    assert mean is not None
    assert mean.bounds == pytest.approx((0.4, 0.65))


def test_bounds_of_seeds_are_averaged_not_narrowed() -> None:
    runs = [make_run([score_json("c", 0.6, **HIGHER)]), make_run([score_json("c", 0.4, **LOWER)], seed=1)]
    mean = estimate(cells(*runs), "accuracy")
    assert mean is not None
    assert mean.bounds == pytest.approx((0.4, 0.65))
    assert mean.text == "50.0 ± 14.1"


def test_nothing_is_estimated_of_nothing() -> None:
    assert estimate([], "accuracy") is None
    assert drop(None, Estimate(0.5, None, "", "")) is None


def test_the_interval_of_a_difference_is_wider_than_those_of_both_scores() -> None:
    """0.5 - 0.8: below sqrt(0.05^2 + 0.1^2) = 0.1118, above sqrt(0.1^2 + 0.05^2) = 0.1118."""
    within, unseen = Estimate(0.8, (0.75, 0.9), "", ""), Estimate(0.5, (0.45, 0.6), "", "")
    difference = drop(within, unseen)
    assert difference is not None
    assert difference.bounds == pytest.approx((-0.3 - 0.1118, -0.3 + 0.1118), abs=1e-4)
    assert (difference.text, difference.interval) == ("-30.0", "-41.2 to -18.8")


def of(*bounds: tuple[float, float]) -> list[Estimate | None]:
    return [Estimate((low + high) / 2, (low, high), "", "") for low, high in bounds]


def test_the_best_is_best_where_no_interval_reaches_it() -> None:
    assert standings([*of((0.5, 0.6), (0.7, 0.8)), None], "accuracy") == ["", BEST, ""]


def test_the_best_is_tied_with_those_whose_intervals_overlap_with_its_own() -> None:
    assert standings(of((0.5, 0.6), (0.59, 0.8), (0.1, 0.3)), "accuracy") == [TIED, TIED, ""]


def test_seeds_that_differ_make_a_tie() -> None:
    """Two seeds, 0.6 and 0.4: sd 0.1414, and t = 12.706 with one degree of freedom: 12.706 * 0.1414 / sqrt(2)."""
    runs = [make_run([score_json("c", 0.6, **HIGHER)]), make_run([score_json("c", 0.4, **LOWER)], seed=1)]
    mean = estimate(cells(*runs), "accuracy")
    assert mean is not None
    assert mean.seeds == pytest.approx(1.2706, abs=1e-4)
    far = Estimate(0.1, (0.05, 0.15), "", "")
    assert standings([mean, far], "accuracy") == [TIED, TIED]
    assert standings([replace(mean, seeds=0.0), far], "accuracy") == [BEST, ""]


def test_nothing_is_best_of_one() -> None:
    assert standings([*of((0.5, 0.6)), None], "accuracy") == ["", ""]


def test_without_intervals_only_equal_scores_are_tied() -> None:
    scores = [Estimate(value, None, "", "") for value in (0.5, 0.5, 0.4)]
    assert standings(scores, "accuracy") == [TIED, TIED, ""]
    assert standings(scores[1:], "accuracy") == [BEST, ""]
