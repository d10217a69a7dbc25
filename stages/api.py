"""The functions of the Python API: each makes a request of its arguments and has its workflow do it.

A function has the signature and the documentation of its request (`stages.requests`). Errors are those of cache,
pipeline and stages; what to do about one is in its `remedy`, and in the notes that a traceback shows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from pydantic import ValidationError

from stages.requests import ExtractRequest, IndexRequest
from stages.results import ExtractResult, IndexResult

__all__ = ["extract", "index"]

P = ParamSpec("P")
Request = TypeVar("Request")
Result = TypeVar("Result")


def _called_as(request: Callable[P, Request]) -> Callable[[Callable[[Request], Result]], Callable[P, Result]]:
    """Give a function the parameters and the documentation of a request."""

    def decorate(function: Callable[[Request], Result]) -> Callable[P, Result]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            made = _checked(request, function.__name__, *args, **kwargs)
            try:
                return function(made)
            except Exception as error:
                _note_remedy(error)
                raise

        call.__doc__ = f"{inspect.getdoc(request)}\n\n{inspect.getdoc(function) or ''}".rstrip()
        call.__signature__ = inspect.signature(request)  # type: ignore[attr-defined]  # what `help` shows
        return call

    return decorate


def _checked(request: Callable[P, Request], name: str, /, *args: P.args, **kwargs: P.kwargs) -> Request:
    try:
        return request(*args, **kwargs)
    except ValidationError as error:
        from stages.errors import ParamsError
        from stages.params import explain

        raise ParamsError(explain(error, request, f"stages.{name}")) from None


def _note_remedy(error: Exception) -> None:
    if getattr(error, "remedy", ()):
        from stages.remedies import as_calls

        error.add_note(as_calls(error))


@_called_as(IndexRequest)
def index(request: IndexRequest) -> IndexResult:
    """Returns the sample table, which is written to TABLES/DATASET.parquet."""
    from stages.running import run
    from stages.workflows.index import index

    return run(index, request)


@_called_as(ExtractRequest)
def extract(request: ExtractRequest) -> ExtractResult:
    """Returns what was encoded, with the store, which is written to FEATURES/ENCODER/DATASET.zarr or .h5."""
    from stages.running import run
    from stages.workflows.extract import extract

    result = run(extract, request)
    result.check()
    return result
