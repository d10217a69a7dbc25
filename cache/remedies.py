"""Errors about a store that is missing, unfinished, or lacks an output, with the arguments that make it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cache.backends import backend_name
from cache.errors import QueryError, StoreIncompleteError, StoreMissingError
from cache.places import AnyPath
from cache.schema import Schema
from cache.writing.unfinished import UnfinishedStore

__all__ = ["output_missing", "store_incomplete", "store_missing"]


def store_missing(path: AnyPath) -> StoreMissingError:
    """There is no store at `path`: how to make it."""
    if not path.parent.name:  # which encoder its features are of is not in its path
        return StoreMissingError(f"no store at {path}: expected FEATURES/ENCODER/DATASET{path.suffix}")
    return StoreMissingError(
        f"no store at {path}", remedy=[("extract", _extract_arguments(path))], purpose="to make it"
    )


def store_incomplete(path: AnyPath, stopped: UnfinishedStore) -> StoreIncompleteError:
    """How to finish a store, from checked fields of its plan: a command in a folder from elsewhere could be any.

    With other arguments the finished shards would be of another store, and removed.
    """
    if stopped.plan.command == "convert":
        return StoreIncompleteError(
            f"{path} is incomplete: a conversion stopped after {stopped.progress}. "
            "Convert the same store again: it resumes"
        )
    return StoreIncompleteError(
        f"{path} is incomplete: {stopped.progress}",
        remedy=[("extract", _extract_arguments(path) | _schema_arguments(stopped.plan.schema))],
        purpose="to resume, with what else the first call had",
    )


def output_missing(path: AnyPath, dataset: str, schema: Schema, output: str) -> QueryError:
    """The store at `path` lacks an output: how to add it to those that it has."""
    names = [array.name for array in schema.arrays]
    arguments = _schema_arguments(schema) | {"outputs": [*names, output]}
    return QueryError(
        f"{path} has the outputs {', '.join(names)}, not {output!r}",
        remedy=[("extract", _extract_arguments(path, dataset) | arguments)],
        purpose="to add it",
    )


def _extract_arguments(path: AnyPath, dataset: str | None = None) -> dict[str, Any]:
    """Arguments of the `extract` that makes the store at `path`; its dataset by default as the path names it."""
    return {
        "dataset": dataset or path.stem,
        "encoder": path.parent.name or None,
        "backend": backend_name(path),
        "features": str(path.parent.parent),
    }


def _schema_arguments(schema: Schema) -> dict[str, Any]:
    """Arguments of `extract` that a schema shows: all of them, as params.yaml may have other defaults."""
    dtypes = [array.dtype for array in schema.arrays if np.dtype(array.dtype).kind == "f"]
    return {
        "outputs": [array.name for array in schema.arrays],
        "views": schema.n_views,
        "dtype": dtypes[0] if dtypes else None,
    }
