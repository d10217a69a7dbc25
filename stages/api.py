"""The functions of the Python API: each makes a request of its arguments and runs its workflow.

A function has the signature and the documentation of its request (`stages.requests`). Errors are those of cache,
pipeline and stages; what to do about one is in its `remedy`, and in the notes that a traceback shows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from pydantic import ValidationError

from stages.requests import (
    AlignRequest,
    AuditRequest,
    BrowseRequest,
    CodeRequest,
    CompareRequest,
    DatasetsRequest,
    DescribeStoreRequest,
    DrawRequest,
    EncodeTextRequest,
    EvaluateRequest,
    ExportHeadRequest,
    ExtractRequest,
    IndexRequest,
    InitRequest,
    PredictRequest,
    QueryRequest,
    ReportRequest,
    StatusRequest,
    TrainRequest,
)
from stages.results import (
    AlignResult,
    AuditResult,
    BrowseResult,
    CodeResult,
    CompareResult,
    DatasetsResult,
    DrawResult,
    EncodeTextResult,
    EvaluateResult,
    ExportHeadResult,
    ExtractResult,
    IndexResult,
    InitResult,
    PredictResult,
    QueryResult,
    ReportResult,
    StatusResult,
    StoreDescription,
    TrainResult,
)

__all__ = [
    "align",
    "audit",
    "browse",
    "code",
    "compare",
    "datasets",
    "describe_store",
    "draw",
    "encode_text",
    "evaluate",
    "export_head",
    "extract",
    "index",
    "init",
    "predict",
    "query",
    "report",
    "status",
    "train",
]

P = ParamSpec("P")
Request = TypeVar("Request")
Result = TypeVar("Result")


def _called_as(request: Callable[P, Request]) -> Callable[[Callable[[Request], Result]], Callable[P, Result]]:
    """Give a function the parameters and the documentation of a request."""

    def decorate(function: Callable[[Request], Result]) -> Callable[P, Result]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            parsed = _checked(request, function.__name__, *args, **kwargs)
            try:
                return function(parsed)
            except Exception as error:
                _note_remedy(error, getattr(parsed, "params", Path("params.yaml")))
                raise

        call.__doc__ = f"{inspect.getdoc(request)}\n\n{inspect.getdoc(function) or ''}".rstrip()
        signature = inspect.signature(request).replace(return_annotation=function.__annotations__["return"])
        call.__signature__ = signature  # type: ignore[attr-defined]  # what `help` shows
        return call

    return decorate


def _checked(request: Callable[P, Request], name: str, /, *args: P.args, **kwargs: P.kwargs) -> Request:
    try:
        return request(*args, **kwargs)
    except ValidationError as error:
        from stages.errors import ParamsError
        from stages.params import explain

        raise ParamsError(explain(error, request, f"stages.{name}")) from None


def _note_remedy(error: Exception, params: Path) -> None:
    if getattr(error, "remedy", ()):
        from stages.remedies import as_calls, encoder_note

        error.add_note(as_calls(error, params) + encoder_note(error, params))


@_called_as(InitRequest)
def init(request: InitRequest) -> InitResult:
    """Returns every file of the project, with what became of it: written, unchanged, or kept as it was there."""
    from stages.running import run
    from stages.workflows.init import init

    return run(init, request)


@_called_as(StatusRequest)
def status(request: StatusRequest) -> StatusResult:
    """Returns a row per output: its state, why, and the command that brings it up to date.

    `.check()` raises CheckFailedError unless all is up to date.
    """
    from stages.running import run
    from stages.workflows.status import status

    return run(status, request)


@_called_as(DatasetsRequest)
def datasets(request: DatasetsRequest) -> DatasetsResult:
    """Returns a row per dataset; nothing is written."""
    from stages.running import run
    from stages.workflows.datasets import datasets

    return run(datasets, request)


@_called_as(CodeRequest)
def code(request: CodeRequest) -> CodeResult:
    """Returns a row per name; they are written to TABLES/code.json."""
    from stages.running import run
    from stages.workflows.code import code

    return run(code, request)


@_called_as(DrawRequest)
def draw(request: DrawRequest) -> DrawResult:
    """Returns what was drawn: a row per face, with its expression."""
    from stages.running import run
    from stages.workflows.draw import draw

    return run(draw, request)


@_called_as(IndexRequest)
def index(request: IndexRequest) -> IndexResult:
    """Returns the sample table, which is written to TABLES/DATASET.parquet."""
    from stages.running import run
    from stages.workflows.index import index

    return run(index, request)


@_called_as(AuditRequest)
def audit(request: AuditRequest) -> AuditResult:
    """Returns what was found: `.frame` has a row per kind, split and other split, `.pairs` one per pair of pictures.

    The record for `evaluate` and `report` is written to AUDITS/DATASET[+DATASET...].parquet. `.check()` raises
    CheckFailedError if anything was found.
    """
    from stages.running import run
    from stages.workflows.audit import audit

    return run(audit, request)


@_called_as(AlignRequest)
def align(request: AlignRequest) -> AlignResult:
    """Returns the face table, which is written to FACE_TABLES/DATASET.parquet.

    Raises CheckFailedError if more than `max_rejected` of the images are rejected; the face table is kept.
    """
    from stages.running import run
    from stages.workflows.align import align

    result = run(align, request)
    result.check()
    return result


@_called_as(ExtractRequest)
def extract(request: ExtractRequest) -> ExtractResult:
    """Returns what was encoded, with the store, which is written to FEATURES/ENCODER/DATASET.zarr or .h5."""
    from stages.running import run
    from stages.workflows.extract import extract

    result = run(extract, request)
    result.check()
    return result


@_called_as(EncodeTextRequest)
def encode_text(request: EncodeTextRequest) -> EncodeTextResult:
    """Returns the vectors, which are written to FEATURES/ENCODER/text/PROMPTS.npz."""
    from stages.running import run
    from stages.workflows.encode_text import encode_text

    return run(encode_text, request)


@_called_as(TrainRequest)
def train(request: TrainRequest) -> TrainResult:
    """Returns the trained runs, which are written to RUNS/ENCODER/METHOD/DATASET/[VARIANT/]seed-N.

    Where numbers of some runs stop being finite, PartialTrainingError is raised after the others are finished; they
    are in its `result`.
    """
    from stages.running import run
    from stages.workflows.train import train

    return run(train, request)


@_called_as(EvaluateRequest)
def evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Returns the scores, which are written to RUNS/scores/ENCODER/METHOD/DATASET/[VARIANT/]seed-N/scores.json."""
    from stages.running import run
    from stages.workflows.evaluate import evaluate

    return run(evaluate, request)


@_called_as(CompareRequest)
def compare(request: CompareRequest) -> CompareResult:
    """Returns the differences: `.frame` has a row per two methods, train and test dataset; `.ranking` ranks them."""
    from stages.running import run
    from stages.workflows.compare import compare

    return run(compare, request)


@_called_as(ExportHeadRequest)
def export_head(request: ExportHeadRequest) -> ExportHeadResult:
    """Returns what is in the folder: its files, of which head, and what must be stated of it."""
    from stages.running import run
    from stages.workflows.export_head import export_head

    return run(export_head, request)


@_called_as(PredictRequest)
def predict(request: PredictRequest) -> PredictResult:
    """Returns a prediction for each face: `.frame` has a row for each. A `Predictor` takes PIL images and arrays."""
    from stages.running import run
    from stages.workflows.predict import predict

    return run(predict, request)


@_called_as(ReportRequest)
def report(request: ReportRequest) -> ReportResult:
    """Returns the scores of all runs, and where the page was written."""
    from stages.running import run
    from stages.workflows.report import report

    return run(report, request)


@_called_as(BrowseRequest)
def browse(request: BrowseRequest) -> BrowseResult:
    """Returns what the page shows: `.frame` has the mistakes first; `with result.serving() as address:` serves it."""
    from stages.running import run
    from stages.workflows.browse import browse

    return run(browse, request)


@_called_as(QueryRequest)
def query(request: QueryRequest) -> QueryResult:
    """Returns the rows: their columns and scores in `.frame`, features in `.numpy()`; `.export(path)` writes both."""
    from stages.running import run
    from stages.workflows.query import query

    return run(query, request)


@_called_as(DescribeStoreRequest)
def describe_store(request: DescribeStoreRequest) -> StoreDescription:
    """Returns the description: `.frame` counts rows by split and label, `.arrays` has an entry per output."""
    from stages.running import run
    from stages.workflows.stores import describe_store

    return run(describe_store, request)
