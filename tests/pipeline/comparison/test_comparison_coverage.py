"""Simulations: intervals cover, and equal methods differ in at most one of twenty, also with few units of a class."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIMULATION = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "comparison.py"))
N = 250
CHANCE = 3 * math.sqrt(0.05 * 0.95 / N)  # three standard errors of a share of 5 %: 0.041


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["uar", "accuracy"])
@pytest.mark.parametrize(
    "scenario",
    [
        {"n": 120},
        {"n": 120, "people": 8},
        {"n": 431, "seeds": 3, "seed_sd": 0.3},
        {"n": 3136, "seeds": 3, "seed_sd": 0.1},
    ],
    ids=["units", "people", "seeds", "many units and seeds"],
)
def test_equal_methods_seldom_differ_and_intervals_cover(scenario: dict[str, Any], metric: str) -> None:
    drawn = SIMULATION["Scenario"](**scenario, metric=metric)
    shares = SIMULATION["simulate"](drawn, N, np.random.default_rng(0))
    assert shares["found"] <= 0.05 + CHANCE
    assert shares["covered"] >= 0.95 - CHANCE
    assert shares["disagree"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("n", [120, 431])
def test_methods_of_equal_uar_and_unequal_recalls_seldom_differ(n: int) -> None:
    shares = SIMULATION["simulate"](SIMULATION["Scenario"](n, "traded"), N, np.random.default_rng(0))
    assert shares["found"] <= 0.05 + CHANCE
    assert shares["covered"] >= 0.95 - CHANCE


@pytest.mark.slow
def test_heads_of_one_choice_of_seeds_are_not_their_methods() -> None:
    """Without the variance of seeds half of the equal methods would seem different."""
    drawn = SIMULATION["Scenario"](3136, "equal", "uar", None, 3, 0.3)
    assert SIMULATION["simulate"](drawn, 40, np.random.default_rng(0))["found_by_units"] > 0.3
