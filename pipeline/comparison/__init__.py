"""Statistics of methods that were scored on the same units: arrays in, numbers out.

exchange       the exchange of two methods' predictions: a test of any difference, and its interval
significance   McNemar's test, Holm's correction, seeds as a second source of variance
paired         the difference of two methods on one test set, over units and seeds
ranking        several methods over several datasets
"""

from pipeline.comparison.exchange import LEVEL
from pipeline.comparison.paired import COMPARED_METRICS, PairedDifference, PairedHits, mean_score, paired_difference
from pipeline.comparison.ranking import Ranking, rank_methods
from pipeline.comparison.significance import holm, mcnemar_exact

__all__ = [
    "COMPARED_METRICS",
    "LEVEL",
    "PairedDifference",
    "PairedHits",
    "Ranking",
    "holm",
    "mcnemar_exact",
    "mean_score",
    "paired_difference",
    "rank_methods",
]
