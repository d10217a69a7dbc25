"""Types of fields, and what all requests have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["CONFIG", "FolderOrBucket", "NotNegative", "Positive", "Request", "Share", "Texts", "_several"]


def _place(value: Any) -> Any:
    from cache.places import as_path  # late: it brings a library that `--help` does not need

    return as_path(value)


def _several(value: Any) -> Any:
    """One path or name in place of several."""
    return (value,) if isinstance(value, str | Path) else value


FolderOrBucket = Annotated[Any, BeforeValidator(_place)]  # a `cache.places.AnyPath`


Share = Annotated[float, Field(ge=0, le=1)]


Positive = Annotated[int, Field(ge=1)]


NotNegative = Annotated[int, Field(ge=0)]


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]


CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Request:
    params: Path = Path("params.yaml")
    follow_links: bool = False
