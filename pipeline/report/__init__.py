"""Records of runs and stores -> tables, charts and one HTML page.

runs           the runs of a report, kinds of methods, the scores of one split
distinctions   distinct names for what must not be averaged
cells, groups  scores over seeds; runs of one method, checked against each other
comparison     means over the pairs that all methods have; how far a method is from the image baseline
intervals      95 % intervals of means, and which methods they cannot tell apart
coverage       notes on what the means do not cover
tables         long tables and metrics as data
published, published_tables   results beside the values of papers
formatting     numbers as text            views     tables, matrices, sections and colours for the template
column_notes   what to know of each test set, once for all that refer to it
histories      training histories         reliability  bins of confidence
matrices       train x test               charts    what the template draws as SVG
page_tables    tables of scores           provenance        tables of what was run
page, build    one page, one report
"""

from pipeline.records import StoreSummary
from pipeline.report.build import Report, ReportContext, build_report
from pipeline.report.runs import ReportRun
from pipeline.report.views import Section, TableView

__all__ = ["Report", "ReportContext", "ReportRun", "Section", "StoreSummary", "TableView", "build_report"]
