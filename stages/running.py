"""How a workflow is run, for the Python API and for commands alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from cache.places.links import links_followed
from pipeline.plugins import is_reference
from pipeline.progress import OnProgress
from stages.progress import progress_display

__all__ = ["run"]

Request = TypeVar("Request")
Result = TypeVar("Result")


def run(workflow: Callable[[Request, OnProgress], Result], request: Request) -> Result:
    """Run a workflow on a request, with progress on stderr after two seconds unless it is quiet."""
    with ExitStack() as stack:
        if getattr(request, "follow_links", False):
            stack.enter_context(links_followed())
        for named in (getattr(request, "encoder", None), getattr(request, "text", None)):
            _allow_encoder(named)
        return workflow(request, stack.enter_context(progress_display(quiet=getattr(request, "quiet", False))))


def _allow_encoder(name: str | None) -> None:
    """A request may name a Python file as its encoder: then, and only then, it is run."""
    if name and is_reference(name.partition("@")[0]):
        from pipeline.encoders.families.file_family import allow  # late: few name one
        from pipeline.encoders.spec import EncoderSpec

        allow(EncoderSpec.parse(name))
