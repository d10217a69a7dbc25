"""The JSON files of runs: one typed model of each, one reader, one writer.

fields         types of fields, and how a wrong field is reported
files          reading within limits
fold           the fold that a head is tested on
fold_scores    scores of several folds as one number
head           how to rebuild a head, without its weights
run            run.json of a trained head
history        history.csv in the same folder
score          how a head does on one split
scores         scores.json of a run
export         head.json of an exported head
predictions    what a head predicted for each unit that a score is of
store_summary  of a store, for a report

The files of a run may come from elsewhere, so every field that a reader relies on is checked here; an error names the
file and the field.
"""

from pipeline.records.export import Export, Graph, OwnExport, export_of, read_export
from pipeline.records.files import read_regular
from pipeline.records.fold import FoldRecord
from pipeline.records.fold_scores import FoldScores, folds_text
from pipeline.records.head import FeatureIdentity, HeadDescription
from pipeline.records.history import History, read_history
from pipeline.records.run import MethodCode, OwnRun, Run, joined_notes, read_run
from pipeline.records.score import Score, ScoreSource
from pipeline.records.scores import Scores, read_scores
from pipeline.records.store_summary import StoreSummary

__all__ = [
    "Export",
    "FeatureIdentity",
    "FoldRecord",
    "FoldScores",
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
    "folds_text",
    "joined_notes",
    "read_export",
    "read_history",
    "read_regular",
    "read_run",
    "read_scores",
]
