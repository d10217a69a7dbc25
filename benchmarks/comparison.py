"""How often `compare` is right: coverage of intervals and false positives of tests, in simulations; its seconds.

Two methods answer for units of seven classes, 40 to 2 % of them. A unit is right where its difficulty, which both
methods share in part, is below what the method can do in its class. In `equal` both can do the same; in `traded` one is
better in some classes and worse in others, and their mean recalls are equal; in `better` one is better in all.
`groups` are people with some ten units each, on whom a method is better or worse as a whole; `seed_sd` moves what the
head of a seed can do in each class. An interval covers if it has the true difference of mean recalls, or of accuracy.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.comparison import LEVEL, PairedHits, paired_difference

SHARES = np.array([0.40, 0.20, 0.15, 0.10, 0.08, 0.05, 0.02])
RECALLS = np.array([0.90, 0.70, 0.80, 0.60, 0.50, 0.70, 0.40])
OTHERS = {
    "equal": RECALLS,
    "traded": RECALLS + np.array([-0.10, 0.05, 0.05, -0.10, 0.10, -0.10, 0.10]),
    "better": RECALLS - 0.06,
}
SHARED = 0.8  # of the variance of a unit's difficulty
PER_GROUP = 10
N_RESAMPLES = 500  # of each bootstrap: the ends of its interval need no more where they are counted over many draws
GROUP_SD = 0.5  # of a method on a person, in standard deviations of the difficulty


@dataclass(frozen=True)
class Scenario:
    """What is drawn.

    Parameters
    ----------
    n : units
    other : key of OTHERS
    metric : of the difference
    groups : whether units are of people
    seeds, seed_sd : heads of each method, and how much what they can do differs
    """

    n: int
    other: str = "equal"
    metric: str = "uar"
    groups: bool = False
    seeds: int = 1
    seed_sd: float = 0.0

    def draw(self, rng: np.random.Generator) -> PairedHits:
        """One test set, with what the heads of both methods have right."""
        labels = rng.choice(len(SHARES), self.n, p=SHARES)
        groups = rng.integers(0, self.n // PER_GROUP, self.n) if self.groups else None
        difficulty = rng.normal(0, np.sqrt(SHARED), self.n)
        sides = [self._hits(recalls, labels, groups, difficulty, rng) for recalls in (RECALLS, OTHERS[self.other])]
        return PairedHits(labels, *sides, groups)

    def _hits(
        self,
        recalls: npt.NDArray[np.float64],
        labels: npt.NDArray[np.int64],
        groups: npt.NDArray[np.int64] | None,
        difficulty: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float64]:
        """Float (S, U): the rest of the difficulty is half of the method, half of the head."""
        of_half = np.sqrt((1 - SHARED) / 2)
        of_method = difficulty + rng.normal(0, of_half, self.n)
        if groups is not None:
            of_method = of_method + rng.normal(0, GROUP_SD, groups.max() + 1)[groups]
        of_heads = of_method + rng.normal(0, of_half, (self.seeds, self.n))
        of_heads += rng.normal(0, self.seed_sd, (self.seeds, len(SHARES)))[:, labels]
        scale = np.sqrt(1 + self.seed_sd**2 + (GROUP_SD**2 if groups is not None else 0))
        return (of_heads / scale < stats.norm.ppf(recalls)[labels]).astype(np.float64)

    def truth(self, hits: PairedHits) -> float:
        """The true difference, of UAR over the classes that were drawn."""
        gaps = RECALLS - OTHERS[self.other]
        return float(SHARES @ gaps) if self.metric == "accuracy" else float(gaps[np.unique(hits.labels)].mean())


def simulate(scenario: Scenario, n_draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Shares of draws in which each interval covers, and each test finds a difference."""
    counts = dict.fromkeys(("covered", "found", "covered_by_units", "found_by_units", "found_by_mcnemar"), 0)
    for _ in range(n_draws):
        hits = scenario.draw(rng)
        truth, result = scenario.truth(hits), paired_difference(hits, scenario.metric, rng, N_RESAMPLES)
        counts["covered"] += result.low <= truth <= result.high
        counts["covered_by_units"] += result.units_low <= truth <= result.units_high
        counts["found"] += result.p <= LEVEL
        counts["found_by_units"] += result.p_units <= LEVEL
        counts["found_by_mcnemar"] += result.mcnemar[0] <= LEVEL
    return {name: count / n_draws for name, count in counts.items()}


def scenarios() -> Iterator[Scenario]:
    for n in (120, 431, 3136):
        for metric in ("uar", "accuracy"):
            yield from (Scenario(n, "equal", metric, groups) for groups in (False, True))
            yield from (Scenario(n, "equal", metric, seeds=3, seed_sd=seed_sd) for seed_sd in (0.0, 0.1, 0.3))
        yield Scenario(n, "traded")
        yield Scenario(n, "better")
        yield from (Scenario(n, "better", seeds=seeds, seed_sd=0.1) for seeds in (3, 5))


def seconds(n: int, groups: bool, rng: np.random.Generator) -> dict[str, Any]:
    """CPU seconds of one comparison with three seeds, and the peak memory of the process."""
    hits = Scenario(n, "better", groups=groups, seeds=3).draw(rng)
    start = time.process_time()
    paired_difference(hits, "uar", rng)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"n": n, "groups": groups, "cpu_s": round(time.process_time() - start, 2), "peak_mb": peak // 1024}


def main() -> None:
    from machine import show  # late: a test uses the simulation from elsewhere

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args()
    timed = [seconds(options.rows, groups, np.random.default_rng(0)) for groups in (False, True)]
    rows = []
    for i, scenario in enumerate(scenarios()):
        shares = simulate(scenario, options.draws, np.random.default_rng(i))
        rows.append({**asdict(scenario), **{name: round(share, 4) for name, share in shares.items()}})
        print(rows[-1], flush=True)
    show({"draws": options.draws, "seconds": timed, "simulations": rows})


if __name__ == "__main__":
    main()
