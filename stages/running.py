"""How a workflow is run, for the Python API and for commands alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from cache.places.links import links_followed
from pipeline.progress import OnProgress
from stages.progress import shown_progress

__all__ = ["run"]

Request = TypeVar("Request")
Result = TypeVar("Result")


def run(workflow: Callable[[Request, OnProgress], Result], request: Request) -> Result:
    """Do what a request asks for, with progress on stderr after two seconds unless it is quiet."""
    with ExitStack() as stack:
        if getattr(request, "follow_links", False):
            stack.enter_context(links_followed())
        return workflow(request, stack.enter_context(shown_progress(quiet=getattr(request, "quiet", False))))
