"""Statistics of methods that were scored on the same units: arrays in, numbers out.

resampling     the bootstrap of groups, and the exchange of two methods' predictions
significance   McNemar's test, Holm's correction, a test with two sources of variance
paired         the difference of two methods on one test set, over units and seeds
ranking        several methods over several datasets
"""

from pipeline.comparison.paired import COMPARED_METRICS, PairedDifference, PairedHits, mean_score, paired_difference
from pipeline.comparison.ranking import Ranking, rank_methods
from pipeline.comparison.significance import LEVEL, holm, mcnemar_exact

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
