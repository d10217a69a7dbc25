"""The result of compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.comparison import PairedDifference, Ranking

__all__ = ["CompareResult", "ComparedPair"]

_LEVEL = 0.05  # that of `pipeline.comparison`, which brings scipy


@dataclass(frozen=True)
class ComparedPair:
    """Two methods on one test dataset, trained on one dataset.

    Parameters
    ----------
    first, second : names of the methods
    trained_on, dataset : of the heads, and of the test units; `trained_on` is empty where it is a part of the names
    unit : `image` or `clip`
    seen : whether the heads were trained on this dataset, or on half of its rows under another name
    seeds : that both methods have; of methods without randomness one
    difference : first minus second, of the metric
    p_holm : p, corrected for all pairs and datasets that are compared
    """

    first: str
    second: str
    trained_on: str
    dataset: str
    unit: str
    seen: bool
    seeds: tuple[int, ...]
    difference: PairedDifference = field(repr=False)
    p_holm: float

    @property
    def is_significant(self) -> bool:
        """Whether the difference survives Holm's correction, at 5 %."""
        return self.p_holm <= _LEVEL

    @property
    def conclusion(self) -> str:
        """What the test says, as a sentence."""
        of, p = self.difference, f"p {_p_text(self.difference.p)}, {_p_text(self.p_holm)} after Holm"
        if self.is_significant:
            higher, lower = (self.first, self.second) if of.difference > 0 else (self.second, self.first)
            return f"{higher} is higher than {lower} by {_points(of.difference)} ({p})"
        groups = f" in {of.n_groups:,} groups" if of.n_groups < of.n_units else ""
        smallest = _points(of.smallest) if of.smallest < 1 else "larger than any"
        return (
            f"no difference of {self.first} and {self.second} can be seen with N = {of.n_units:,}{groups} ({p}): the "
            f"smallest that could is {smallest}"
        )

    def as_row(self) -> dict[str, Any]:
        """A row of `CompareResult.frame`, every value a plain one."""
        of = self.difference
        return {
            "first": self.first,
            "second": self.second,
            "trained_on": self.trained_on,
            "dataset": self.dataset,
            "seen": self.seen,
            "unit": self.unit,
            "n": of.n_units,
            "groups": of.n_groups,
            "discordant": of.n_discordant,
            "seeds": list(self.seeds),
            "first_score": of.first,
            "second_score": of.second,
            "difference": of.difference,
            "low": of.low,
            "high": of.high,
            "p": of.p,
            "p_holm": self.p_holm,
            "significant": self.is_significant,
            "units_low": of.units_low,
            "units_high": of.units_high,
            "p_units": of.p_units,
            "seed_sd": of.seed_sd,
            "by_seed": list(of.by_seed),
            "mcnemar": list(of.mcnemar),
            "smallest": of.smallest,
            "conclusion": self.conclusion,
        }


@dataclass(frozen=True, eq=False)
class CompareResult(Result):
    """Differences of all pairs of methods.

    Parameters
    ----------
    pairs : one per train dataset, test dataset, and two methods
    metric : of all scores: `uar` or `accuracy`
    ranking : of all methods over the test datasets that all were scored on; None if there is none
    notes : what must be stated with the differences, and what was left out
    """

    pairs: tuple[ComparedPair, ...]
    metric: str
    ranking: Ranking | None
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per pair of methods, train dataset and test dataset."""
        import pandas as pd  # late: `import stages` needs no pandas

        return pd.DataFrame([pair.as_row() for pair in self.pairs])

    def summary(self) -> Mapping[str, Any]:
        """Everything, as JSON has it."""
        return {
            "metric": self.metric,
            "pairs": [pair.as_row() for pair in self.pairs],
            "ranking": None if self.ranking is None else _ranking(self.ranking),
            "notes": list(self.notes),
        }

    def sentences(self) -> Iterator[str]:
        """What the ranking says."""
        if (ranking := self.ranking) is None:
            return
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(ranking.methods, ranking.mean_ranks, strict=True))
        datasets = f"{ranking.n_datasets} test dataset{'' if ranking.n_datasets == 1 else 's'}"
        yield f"mean ranks over {datasets}: {ranks}"
        if ranking.n_datasets < ranking.least_datasets:
            yield (
                f"ranks over {datasets} can show no difference of methods: at least {ranking.least_datasets} are needed"
            )
            return
        differing = [pair for pair, p in ranking.pairs.items() if p <= _LEVEL]
        yield "; ".join(f"{a} ranks above {b}" for a, b in differing) or "no two methods differ in rank"


def _ranking(ranking: Ranking) -> dict[str, Any]:
    return {
        "mean_ranks": dict(zip(ranking.methods, ranking.mean_ranks, strict=True)),
        "datasets": ranking.n_datasets,
        "friedman_p": ranking.friedman_p,
        "pairs": [{"first": a, "second": b, "p_holm": p} for (a, b), p in ranking.pairs.items()],
        "cliques": [list(clique) for clique in ranking.cliques],
        "least_datasets": ranking.least_datasets,
    }


def _p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def _points(difference: float) -> str:
    """The size of a difference: one decimal, below one point two digits, as of many units the least is far below."""
    points = 100 * abs(difference)
    return f"{points:.1f} points" if points >= 1 else f"{points:.2g} points"
