"""The JSON files of runs: one typed model of each, one reader, one writer.

fields         types of fields, and how a wrong field is reported
files          reading within limits
head           what rebuilds a head but its weights
run            run.json of a trained head             history   history.csv beside it
scores         scores.json of a run
export         head.json of an exported head
store_summary  what a report states of a store

Whoever passes a run on could have written its files. What a reader relies on is checked here: a field is what it should
be, or an error names the file and the field.
"""

from pipeline.records.export import Export, Graph, OwnExport, export_of, read_export
from pipeline.records.files import read_regular
from pipeline.records.head import FeatureIdentity, HeadDescription
from pipeline.records.history import History, read_history
from pipeline.records.run import MethodCode, OwnRun, Run, joined_notes, read_run
from pipeline.records.scores import Score, Scores, ScoreSource, read_scores
from pipeline.records.store_summary import StoreSummary

__all__ = [
    "Export",
    "FeatureIdentity",
    "Graph",
    "HeadDescription",
    "History",
    "MethodCode",
    "OwnExport",
    "OwnRun",
    "Run",
    "Score",
    "ScoreSource",
    "Scores",
    "StoreSummary",
    "export_of",
    "joined_notes",
    "read_export",
    "read_history",
    "read_regular",
    "read_run",
    "read_scores",
]
