"""How often `compare` is right: coverage of intervals and false positives of tests, in simulations; its seconds.

Two methods answer for units of seven classes, 40 to 2 % of them. A unit is right where its difficulty, which both
methods share in part, is below what the method can do in its class. In `equal` both can do the same; in `traded` one is
better in some classes and worse in others, and their mean recalls are equal; in `better` one is better in all.
`people` is how many the units are of: a method is better or worse on a person as a whole; `seed_sd` moves what the head
of a seed can do in each class. An interval covers if it has the true difference of mean recalls, or of accuracy.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.comparison import LEVEL, PairedHits, holm, paired_difference, rank_methods

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SHARES = np.array([0.40, 0.20, 0.15, 0.10, 0.08, 0.05, 0.02])
RECALLS = np.array([0.90, 0.70, 0.80, 0.60, 0.50, 0.70, 0.40])
OTHERS = {
    "equal": RECALLS,
    "traded": RECALLS + np.array([-0.10, 0.05, 0.05, -0.10, 0.10, -0.10, 0.10]),
    "better": RECALLS - 0.06,
}
SHARED = 0.8  # of the variance of a unit's difficulty
N_EXCHANGES = 399  # of each test: a test with fewer exchanges is as exact, and finds a little less
PERSON_SD = 0.5  # of a method on a person, in standard deviations of the difficulty
FAMILY = (4, 3)  # methods and test datasets of the tests that Holm's method corrects
N_RANKED = 10  # datasets of a ranking


@dataclass(frozen=True)
class Scenario:
    """What is drawn.

    Parameters
    ----------
    n : units
    other : key of OTHERS
    metric : of the difference
    people : that the units are of; None where each is by itself
    seeds, seed_sd : heads of each method, and how much what they can do differs
    shared : of the variance of a unit's difficulty: nearer to 1, methods differ on fewer units
    """

    n: int
    other: str = "equal"
    metric: str = "uar"
    people: int | None = None
    seeds: int = 1
    seed_sd: float = 0.0
    shared: float = SHARED

    def draw(self, rng: np.random.Generator) -> PairedHits:
        """One test set, with what the heads of both methods have right."""
        labels, groups, (first, second) = self.draw_methods([RECALLS, OTHERS[self.other]], rng)
        return PairedHits(labels, first, second, groups)

    def draw_methods(
        self, recalls: Sequence[Floats], rng: np.random.Generator
    ) -> tuple[Codes, Codes | None, list[Floats]]:
        """Labels, people, and the hits (S, U) of a method for each of `recalls`."""
        labels = rng.choice(len(SHARES), self.n, p=SHARES)
        groups = rng.integers(0, self.people, self.n) if self.people else None
        difficulty = rng.normal(0, np.sqrt(self.shared), self.n)
        return labels, groups, [self._hits(one, labels, groups, difficulty, rng) for one in recalls]

    def _hits(
        self,
        recalls: Floats,
        labels: Codes,
        groups: Codes | None,
        difficulty: Floats,
        rng: np.random.Generator,
    ) -> Floats:
        """Float (S, U): the rest of the difficulty is half of the method, half of the head."""
        of_half = np.sqrt((1 - self.shared) / 2)
        of_method = difficulty + rng.normal(0, of_half, self.n)
        if groups is not None:
            of_method = of_method + rng.normal(0, PERSON_SD, groups.max() + 1)[groups]
        of_heads = of_method + rng.normal(0, of_half, (self.seeds, self.n))
        of_heads += rng.normal(0, self.seed_sd, (self.seeds, len(SHARES)))[:, labels]
        scale = np.sqrt(1 + self.seed_sd**2 + (PERSON_SD**2 if groups is not None else 0))
        return (of_heads / scale < stats.norm.ppf(recalls)[labels]).astype(np.float64)

    def truth(self, hits: PairedHits) -> float:
        """The true difference, of UAR over the classes that were drawn."""
        gaps = RECALLS - OTHERS[self.other]
        return float(SHARES @ gaps) if self.metric == "accuracy" else float(gaps[np.unique(hits.labels)].mean())


def simulate(scenario: Scenario, n_draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Shares of draws in which each interval covers, each test finds a difference, and interval and p disagree."""
    counts = dict.fromkeys(("covered", "found", "covered_by_units", "found_by_units", "found_by_mcnemar"), 0)
    counts["disagree"] = 0
    for _ in range(n_draws):
        hits = scenario.draw(rng)
        truth, result = scenario.truth(hits), paired_difference(hits, scenario.metric, rng, N_EXCHANGES)
        counts["covered"] += result.low <= truth <= result.high
        counts["covered_by_units"] += result.units_low <= truth <= result.units_high
        counts["found"] += result.p <= LEVEL
        counts["found_by_units"] += result.p_units <= LEVEL
        counts["found_by_mcnemar"] += result.mcnemar[0] <= LEVEL
        counts["disagree"] += (result.p <= LEVEL) == (result.low <= 0 <= result.high)
        counts["disagree"] += (result.p_units <= LEVEL) == (result.units_low <= 0 <= result.units_high)
    return {name: count / n_draws for name, count in counts.items()}


def simulate_family(scenario: Scenario, n_draws: int, rng: np.random.Generator) -> float:
    """The share of draws in which any of several equal methods differs from another on any dataset, after Holm."""
    n_methods, n_datasets = FAMILY
    found = 0
    for _ in range(n_draws):
        p = []
        for _ in range(n_datasets):
            labels, groups, methods = scenario.draw_methods([RECALLS] * n_methods, rng)
            for first, second in itertools.combinations(methods, 2):
                hits = PairedHits(labels, first, second, groups)
                p.append(paired_difference(hits, scenario.metric, rng, N_EXCHANGES).p)
        found += holm(p).min() <= LEVEL
    return found / n_draws


def simulate_ranking(n_draws: int, rng: np.random.Generator) -> dict[str, float]:
    """The shares of draws in which equal methods differ in rank: any pair after Holm, and Friedman's test."""
    names = [str(i) for i in range(FAMILY[0])]
    rankings = [rank_methods(names, rng.normal(size=(N_RANKED, len(names))), rng) for _ in range(n_draws)]
    return {
        "any_pair": sum(min(one.pairs.values()) <= LEVEL for one in rankings) / n_draws,
        "friedman": sum(one.friedman_p is not None and one.friedman_p <= LEVEL for one in rankings) / n_draws,
    }


def scenarios() -> Iterator[Scenario]:
    for n in (120, 431, 3136):
        for metric in ("uar", "accuracy"):
            yield from (Scenario(n, "equal", metric, shared=shared) for shared in (SHARED, 0.97))
            yield from (Scenario(n, "equal", metric, people) for people in (8, 20, 43, 200) if people < n / 2)
            yield from (Scenario(n, "equal", metric, seeds=3, seed_sd=seed_sd) for seed_sd in (0.0, 0.1, 0.3))
            yield Scenario(n, "equal", metric, 20, seeds=3, seed_sd=0.1)
            yield from (Scenario(n, "better", metric, shared=shared) for shared in (SHARED, 0.97))
        yield Scenario(n, "traded")
        yield Scenario(n, "traded", people=20)
    yield from (Scenario(n, "better", seeds=seeds, seed_sd=0.1) for n in (120, 431) for seeds in (3, 5))


def seconds(n: int, people: int | None, rng: np.random.Generator) -> dict[str, Any]:
    """CPU seconds of one comparison with three seeds, and the peak memory of the process."""
    hits = Scenario(n, "better", people=people, seeds=3).draw(rng)
    start = time.process_time()
    paired_difference(hits, "uar", rng)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"n": n, "people": people, "cpu_s": round(time.process_time() - start, 2), "peak_mb": peak // 1024}


def main() -> None:
    from machine import show  # late: a test uses the simulation from elsewhere

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000, help="of each simulation")
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args()
    timed = [seconds(options.rows, people, np.random.default_rng(0)) for people in (None, options.rows // 6)]
    ranking = simulate_ranking(options.draws, np.random.default_rng(0))
    print(timed, ranking, flush=True)
    rows = []
    for i, scenario in enumerate(scenarios()):
        shares = simulate(scenario, options.draws, np.random.default_rng(i))
        rows.append({**asdict(scenario), **{name: round(share, 4) for name, share in shares.items()}})
        print(rows[-1], flush=True)
    families = []
    for scenario in (Scenario(120), Scenario(431), Scenario(431, people=20), Scenario(431, seeds=3, seed_sd=0.1)):
        share = simulate_family(scenario, options.draws // 4, np.random.default_rng(0))
        families.append({**asdict(scenario), "any_found_after_holm": share})
        print(families[-1], flush=True)
    show({"draws": options.draws, "seconds": timed, "ranking": ranking, "simulations": rows, "families": families})


if __name__ == "__main__":
    main()
