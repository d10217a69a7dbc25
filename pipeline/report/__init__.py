"""Records of runs and stores -> tables, figures and one HTML page.

runs           the runs of a report, kinds of methods, the scores of one split
distinctions   distinct names for what must not be averaged
cells, groups  scores over seeds; runs of one method, checked against each other
comparison     means over the pairs that all methods have; how far a method is from the image baseline
coverage       notes on what the means do not cover
tables         long tables and metrics as data
published, published_tables   results beside the values of papers
formatting     numbers as text            views     tables, figures and colours for the template
matrices       train x test               figures, curves   plotly figures as data
page_tables    tables of scores           provenance        tables of what was run
page, build    one page, one report
"""

from pipeline.records import StoreSummary
from pipeline.report.build import Report, build_report
from pipeline.report.runs import ReportRun

__all__ = ["Report", "ReportRun", "StoreSummary", "build_report"]
