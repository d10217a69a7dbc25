"""What the stages are asked to do: one frozen request per command, with the names and defaults of its options.

Shared parameters: `params` is params.yaml, whose values hold where a request has None (its defaults, if there is no
such file). `dry_run` returns what would be done and writes nothing. `quiet` shows no progress. `follow_links` also
writes where a link leads out of an output's folder. `features` may be in an object store, s3://BUCKET/PREFIX.
`device` is auto (CUDA when there is one, else cpu), cpu, cuda or cuda:N.
"""

from __future__ import annotations

from stages.requests.audit import AuditRequest
from stages.requests.browse import BrowseRequest
from stages.requests.compare import CompareRequest
from stages.requests.datasets import AlignRequest, CodeRequest, DatasetsRequest, DrawRequest, IndexRequest
from stages.requests.features import DescribeStoreRequest, EncodeTextRequest, ExtractRequest, QueryRequest
from stages.requests.fields import Grid
from stages.requests.heads import EvaluateRequest, ExportHeadRequest, ReportRequest, TrainRequest
from stages.requests.pictures import PredictRequest
from stages.requests.projects import InitRequest, Role, StatusRequest

__all__ = [
    "AlignRequest",
    "AuditRequest",
    "BrowseRequest",
    "CodeRequest",
    "CompareRequest",
    "DatasetsRequest",
    "DescribeStoreRequest",
    "DrawRequest",
    "EncodeTextRequest",
    "EvaluateRequest",
    "ExportHeadRequest",
    "ExtractRequest",
    "Grid",
    "IndexRequest",
    "InitRequest",
    "PredictRequest",
    "QueryRequest",
    "ReportRequest",
    "Role",
    "StatusRequest",
    "TrainRequest",
]
