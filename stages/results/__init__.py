"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from stages.results.audit import AuditResult
from stages.results.base import Result
from stages.results.browse import BrowseResult
from stages.results.compare import ComparedPair, CompareResult
from stages.results.datasets import (
    AlignResult,
    CodeResult,
    DatasetRow,
    DatasetsResult,
    DrawResult,
    IndexResult,
    NamedCode,
)
from stages.results.features import EncodeTextResult, ExtractResult
from stages.results.heads import ExportHeadResult, PartialTrainingError, PlannedRun, TrainedRun, TrainResult
from stages.results.pictures import PredictResult
from stages.results.projects import InitResult, OutputStatus, ProjectFile, State, StatusResult
from stages.results.run_scores import RunScores
from stages.results.scores import EvaluateResult, ReportResult
from stages.results.stores import ExportResult, QueryResult, StoredArray, StoreDescription

__all__ = [
    "AlignResult",
    "AuditResult",
    "BrowseResult",
    "CodeResult",
    "CompareResult",
    "ComparedPair",
    "DatasetRow",
    "DatasetsResult",
    "DrawResult",
    "EncodeTextResult",
    "EvaluateResult",
    "ExportHeadResult",
    "ExportResult",
    "ExtractResult",
    "IndexResult",
    "InitResult",
    "NamedCode",
    "OutputStatus",
    "PartialTrainingError",
    "PlannedRun",
    "PredictResult",
    "ProjectFile",
    "QueryResult",
    "ReportResult",
    "Result",
    "RunScores",
    "State",
    "StatusResult",
    "StoreDescription",
    "StoredArray",
    "TrainResult",
    "TrainedRun",
]
