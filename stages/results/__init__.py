"""What the stages return: frozen, with a pandas frame each, which a notebook shows."""

from __future__ import annotations

from stages.results.audit import AuditResult
from stages.results.base import Result
from stages.results.browse import BrowseResult
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
from stages.results.run_scores import RunScores
from stages.results.scores import EvaluateResult, ReportResult
from stages.results.stores import ExportResult, QueryResult, StoredArray, StoreDescription

__all__ = [
    "AlignResult",
    "AuditResult",
    "BrowseResult",
    "CodeResult",
    "DatasetRow",
    "DatasetsResult",
    "DrawResult",
    "EncodeTextResult",
    "EvaluateResult",
    "ExportHeadResult",
    "ExportResult",
    "ExtractResult",
    "IndexResult",
    "NamedCode",
    "PartialTrainingError",
    "PlannedRun",
    "PredictResult",
    "QueryResult",
    "ReportResult",
    "Result",
    "RunScores",
    "StoreDescription",
    "StoredArray",
    "TrainResult",
    "TrainedRun",
]
