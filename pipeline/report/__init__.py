"""Records of runs and stores -> tables, figures and one HTML page.

fields, scores, records    plain JSON, checked once
selection, apart           the scores of one split and of the runs' own heads; names for what must not be mixed
kinds, groups, agreement   runs of one method, in order, checked against each other; means over datasets and seeds
comparable, comparison     means over the pairs that all methods have; how far a method is from the image baseline
coverage                   what the means do not cover, in words
tables                     long tables and metrics as data
heat, matrices             train x test matrices in one scale of colours
figures, curves            plotly figures as data
summary, results           the tables of scores of the page
provenance                 its tables of what was run
page, build                one page, one report
"""

from pipeline.report.build import Report, build_report
from pipeline.report.records import RunRecord, StoreRecord
from pipeline.report.scores import Score

__all__ = ["Report", "RunRecord", "Score", "StoreRecord", "build_report"]
