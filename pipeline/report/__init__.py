"""Records of runs and stores -> tables, figures and one HTML page.

fields, scores, records    plain JSON, checked once
groups, tables             means over datasets and seeds; long tables
figures, curves            plotly figures as data
results, provenance        the tables of the page
page, build                one page, one report
"""

from pipeline.report.build import Report, build_report
from pipeline.report.fields import parse_json
from pipeline.report.records import RunRecord, StoreRecord
from pipeline.report.scores import Score

__all__ = ["Report", "RunRecord", "Score", "StoreRecord", "build_report", "parse_json"]
