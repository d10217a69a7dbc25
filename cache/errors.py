"""Errors of the cache, grouped by what a caller would do about them.

CacheError
├── StoreMissingError      nothing is at the path: extract first
├── StoreIncompleteError   a writer was stopped: run the same extract again, it resumes
├── StoreDamagedError      bytes are not what was written: restore or extract again
├── StoreLockedError       another process writes this store, or has it open: wait for it
├── SchemaError            no store at all
│   ├── NewerSchemaError   a newer program wrote it: update this one
│   └── OutdatedTextsError text vectors without a digest, of an earlier version: encode-text makes them again
├── StorageError           the disk refused to write or to read: full, read-only, gone, no permission
└── QueryError             a `where` expression, a column or an output is wrong
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RESTORE = "Restore the store, or delete it and extract again"  # what to do about every damage


class CacheError(Exception):
    """Base of every error that cache raises on purpose. `kind` is a stable word for machines (append-only).

    Parameters
    ----------
    message : for people: what was expected, what was found, and where
    remedy : steps that end the error, in order: the name of a command, as `extract` or `store verify`, and its
        arguments by name. Who shows the error words them: the command line as commands, Python as calls
    purpose : what the steps do, as "to resume"; empty where that is plain
    """

    kind = "cache"

    def __init__(
        self, message: str = "", *, remedy: Sequence[tuple[str, Mapping[str, Any]]] = (), purpose: str = ""
    ) -> None:
        super().__init__(message)
        self.remedy, self.purpose = remedy, purpose


class StoreMissingError(CacheError):
    kind = "store-missing"


class StoreIncompleteError(CacheError):
    kind = "store-incomplete"


class StoreDamagedError(CacheError):
    kind = "store-damaged"


class StoreLockedError(CacheError):
    kind = "store-locked"


class SchemaError(CacheError):
    kind = "schema"


class NewerSchemaError(SchemaError):
    """Nothing is wrong with the store: delete nothing. `kind` is that of its base, which it had before."""


class OutdatedTextsError(SchemaError):
    """Text vectors of an earlier version, whose content cannot be checked. `kind` is that of its base."""


class StorageError(CacheError):
    kind = "storage"


class QueryError(CacheError):
    kind = "query"
